"""A secret's value, which no message shows by accident."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

PLACEHOLDER = re.compile(
    r"^(|<.*>|\.\.\.|x+|\*+|change-?me|replace-?me|todo|your[-_].*|placeholder)$", re.IGNORECASE
)
MASK = "********"


class Secret:
    """A value that is masked wherever it is printed, formatted or pickled."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: for a request's header or a file's content, never for a message."""
        return self._value

    @property
    def is_placeholder(self) -> bool:
        """Whether it is empty, or obviously a text to be replaced."""
        return PLACEHOLDER.match(self._value.strip()) is not None

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle holds a placeholder instead, which no command accepts as a value.
        return Secret, (MASK,)


@dataclass(frozen=True)
class StoredSecret:
    """A secret and its source.

    + source: "environment", or the file's name
    + changed: when its value was set (ISO 8601, UTC); None if that is not known
    + accepted: the SHA-256 of the value before, and the time until which the gateway accepts it
    """

    secret: Secret
    source: str
    changed: str | None = None
    accepted: tuple[str, str] | None = None


def _masked(dumper: yaml.SafeDumper | yaml.Dumper, _: Secret) -> yaml.Node:
    return dumper.represent_str(MASK)


for _dumper in (yaml.SafeDumper, yaml.Dumper):
    yaml.add_representer(Secret, _masked, _dumper)


def preview(secret: Secret) -> str:
    """A part of the value that distinguishes keys, and is no help in guessing one.

    At most a quarter is shown: seven and four characters of a long value, none of a short one.
    """
    value = secret.reveal()
    shown = min(11, len(value) // 4)
    if shown < 3:
        return MASK
    end = shown * 4 // 11
    return f"{value[: shown - end]}...{value[-end:]}"


def redact(text: str, secrets: dict[str, Secret]) -> str:
    """``text`` with every secret's value replaced by its name in angle brackets."""
    for name, secret in sorted(secrets.items(), key=lambda item: -len(item[1].reveal())):
        if len(secret.reveal()) >= 4:
            text = text.replace(secret.reveal(), f"<{name}>")
    return text
