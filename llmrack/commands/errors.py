"""How commands end on a mistake: one sentence, and an exit code that says what it means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from pyinfra.api.exceptions import PyinfraError

from llmrack.problems import DeclarationError


class CouldNotAsk(click.ClickException):
    """A mistake that leaves nobody to ask."""

    exit_code = 2


@contextmanager
def could_not_ask(*errors: type[Exception]) -> Iterator[None]:
    """End with exit code 2 where the declaration has mistakes or one of ``errors`` is raised."""
    expected: tuple[type[Exception], ...] = (FileNotFoundError, DeclarationError, PyinfraError)
    try:
        yield
    except (*expected, *errors) as error:
        raise CouldNotAsk(str(error)) from None


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with exit code 1 where the declaration has mistakes or a file cannot be used."""
    try:
        yield
    except DeclarationError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise click.ClickException(text) from None
