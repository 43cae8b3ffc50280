"""The secrets of an adopted configuration: by reference, or in plain text in the file itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from llmrack.adopt.environment import Environment, referred
from llmrack.secrets.value import Secret
from llmrack.stack.types import SECRET_NAME

# Words that people write where a server needs no key, but a client insists on one.
_NO_KEY = re.compile(
    r"none|null|no[-_ ]?key|empty|dummy([-_ ]key)?|fake([-_ ](api[-_ ])?key)?"
    r"|not[-_ ]?(needed|used)|unused|n/?a|ollama",
    re.IGNORECASE,
)


class Keys:
    """The secrets that the adopted stack names.

    + referred_to: the variables that the configuration refers to
    + values: those with a value, by name
    + lacking: those that no file gives a value to
    """

    def __init__(self, environment: Environment, referred_to: Iterable[str] = ()) -> None:
        self._environment = environment
        # No secret in plain text gets the name of a variable.
        self._reserved = {_as_name(name) for name in (*referred_to, *environment.names())}
        self._plain: set[str] = set()
        self.values: dict[str, Secret] = {}
        self.lacking: set[str] = set()

    def of(self, value: str, name: str) -> str | None:
        """The name of the secret that a value refers to or is; None if it stands for no key.

        + name: the name for one in plain text
        """
        variable = referred(value)
        if variable is None:
            secret = Secret(value)
            return None if is_no_key(value) else self._kept_plain(_as_name(name), secret)
        found = self._environment.value(variable)
        if found and is_no_key(found.reveal()) and not found.is_placeholder:
            return None
        return self.named(variable)

    def named(self, variable: str) -> str:
        """The name of the secret with the value of a variable."""
        found = self._environment.value(variable)
        name = _as_name(variable)
        name = _free(name, self._plain)
        if found is None or found.is_placeholder:
            self.lacking.add(name)
        else:
            self.values[name] = found
        return name

    def _kept_plain(self, name: str, value: Secret) -> str:
        for known in self._plain:
            if self.values[known] == value:
                return known
        name = _free(name, self._reserved | self.lacking | self.values.keys())
        self._plain.add(name)
        self.values[name] = value
        return name

    def forget(self, names: Iterable[str]) -> None:
        """Forget secrets that nothing names any more."""
        for name in names:
            self.values.pop(name, None)
            self.lacking.discard(name)
            self._plain.discard(name)

    @property
    def names(self) -> set[str]:
        """Every secret, with a value or without."""
        return {*self.values, *self.lacking}


def _free(name: str, taken: Set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def is_no_key(value: str) -> bool:
    """Whether a text only fills the place of a key."""
    return _NO_KEY.fullmatch(value.strip()) is not None or Secret(value).is_placeholder


def _as_name(text: str) -> str:
    name = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")[:90]
    return name if SECRET_NAME.match(name) else f"KEY_{name}"
