"""The secrets of an adopted configuration: by reference, or in plain text in the file itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from llmrack.adopt.environment import Environment, referred
from llmrack.secrets.places import MASTER_KEY
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
        # The name of each variable's secret. Variables that differ only in case or in signs are
        # two secrets, and the gateway's own key is no secret of a provider.
        self._names = _names_of({*referred_to, *environment.names()}, {MASTER_KEY})
        self._plain: set[str] = set()
        self.values: dict[str, Secret] = {}
        self.lacking: set[str] = set()

    def of(self, value: str, name: str) -> str | None:
        """The name of the secret that a value refers to or is; None if it stands for no key.

        + name: the name for one in plain text
        """
        variable = referred(value)
        if variable is None:
            return None if is_no_key(value) else self._kept_plain(_as_name(name), Secret(value))
        secret = self._environment.value(variable)
        if secret and is_no_key(secret.reveal()) and not secret.is_placeholder:
            return None
        return self.named(variable)

    def named(self, variable: str) -> str:
        """The name of the secret with the value of a variable."""
        value = self._environment.value(variable)
        if variable not in self._names:
            taken = {*self._names.values(), *self._plain, MASTER_KEY}
            self._names[variable] = _free(_as_name(variable), taken)
        name = self._names[variable]
        if value is None or value.is_placeholder:
            self.lacking.add(name)
        else:
            self.values[name] = value
        return name

    def has(self, variable: str) -> bool:
        """Whether a secret with the variable's own name has the value of the variable."""
        return self._names.get(variable) == variable and variable in self.names

    def _kept_plain(self, name: str, value: Secret) -> str:
        for plain in self._plain:
            if self.values[plain] == value:
                return plain
        # No secret in plain text gets the name of a variable.
        taken = {*self._names.values(), *self.names, MASTER_KEY}
        name = _free(name, taken)
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


def _names_of(variables: Set[str], taken: Set[str]) -> dict[str, str]:
    """The name of the secret of each variable: its own name where that is one."""
    names: dict[str, str] = {}
    for variable in sorted(
        variables, key=lambda variable: (_as_name(variable) != variable, variable)
    ):
        names[variable] = _free(_as_name(variable), {*names.values(), *taken})
    return names


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
