"""`llmrack secrets test`: do providers answer, and do they take their keys."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmrack.commands.declared import inventory_option, read_places
from llmrack.commands.errors import CouldNotAsk, could_not_ask
from llmrack.secrets.audit import note

if TYPE_CHECKING:
    from llmrack.observe.providers.trials import Tested


@click.command()
@click.argument("provider", nargs=-1)
@inventory_option
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def test(provider: tuple[str, ...], inventory: str, as_json: bool) -> None:
    """Ask each PROVIDER (default: all) for its models, from every gateway's host.

    Exit code: 0 all answer, take their keys and have what is declared, 1 something is wrong, 2 it
    could not be asked.
    """
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.hosts.asking import NoProvider
    from llmrack.observe.providers import trials as provider_tests

    with could_not_ask(NoProvider):
        tested = provider_tests.test_providers(inventory, Path.cwd(), provider)
    try:
        note(read_places(inventory), "test", {trial.provider for trial in tested}, _result(tested))
        provider_tests.keep_tested(Path.cwd(), tested)
    except OSError as error:
        raise CouldNotAsk(f"{error.filename} cannot be written ({error.strerror})") from None
    show = provider_tests.as_json if as_json else provider_tests.table
    click.echo(show(tested), nl=as_json)
    sys.exit(provider_tests.exit_code(tested))


def _result(tested: Sequence[Tested]) -> str:
    """The result for the audit: ``ok``, or the providers that failed and how."""
    failed = [f"{trial.name} {trial.result}" for trial in tested if trial.code]
    return f"failed: {', '.join(failed)}" if failed else "ok"
