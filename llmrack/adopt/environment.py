"""The variables that an adopted configuration refers to, and the files with their values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from llmrack.problems import unusable
from llmrack.secrets.value import Secret
from llmrack.stack.litellm import REFERENCE

ENV_FILE = ".env"


class Environment:
    """Variables by name, each with the place of its value. The first place of a value counts.

    They are those of files only: the environment of this command is somebody's shell, and its keys
    belong to something else.

    + addresses: variables whose values are addresses of providers, which declare them themselves
    """

    def __init__(self) -> None:
        self._values: dict[str, tuple[Secret, str]] = {}
        self._used: set[str] = set()
        self.addresses: set[str] = set()

    def add(self, place: str, values: Mapping[str, str]) -> None:
        """Add the values of one place; those of earlier ones stay."""
        for name, value in values.items():
            self._values.setdefault(name, (Secret(value), place))

    def value(self, name: str) -> Secret | None:
        """The value of a variable; None if it has none. It counts as used from now on."""
        self._used.add(name)
        return self._values[name][0] if name in self._values else None

    def revealed(self, name: str) -> str | None:
        """The value itself: for an address or another setting that is no secret."""
        value = self.value(name)
        return value.reveal() if value else None

    def place(self, name: str) -> str:
        """The file with the value of a variable; empty if there is none."""
        return self._values[name][1] if name in self._values else ""

    @property
    def used(self) -> frozenset[str]:
        """The variables that something has asked for."""
        return frozenset(self._used)

    def forget_uses(self, used: frozenset[str]) -> None:
        """Forget the uses of other variables than ``used``: what asked for them is left out."""
        self._used &= used

    def names(self) -> list[str]:
        """Every variable of a file, sorted."""
        return sorted(self._values)

    def unused(self) -> dict[str, list[str]]:
        """By place, the variables that nobody has asked for."""
        places: dict[str, list[str]] = {}
        for name, (_, place) in sorted(self._values.items()):
            if name not in self._used:
                places.setdefault(place, []).append(name)
        return places


def read_variables(path: Path) -> dict[str, str]:
    """The variables of a file like ``.env``, read as LiteLLM and Compose do.

    Other users may be able to read the file: it is not ours, and its values go into the vault.
    Raises DeclarationError.
    """
    try:
        values = dotenv_values(path, interpolate=True)
    except (OSError, UnicodeDecodeError) as error:
        raise unusable(path, f"cannot be read ({error})", "make it a text file") from None
    return {name: value for name, value in values.items() if value is not None}


def referred(value: object) -> str | None:
    """The name of the variable that a whole value refers to; None if it refers to none."""
    if isinstance(value, str) and value.startswith(REFERENCE):
        return value.removeprefix(REFERENCE)
    return None
