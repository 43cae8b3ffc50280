"""Finds the declared name that a client's name stands for."""

from __future__ import annotations

from collections.abc import Mapping


class Names:
    """The names of routing.json.

    + names: the names with deployments
    + aliases: further names, and the name that each stands for; one with * at its end matches many
    """

    def __init__(self, names: Mapping[str, object], aliases: Mapping[str, str]) -> None:
        self._names = names
        self._aliases = {name: to for name, to in aliases.items() if not name.endswith("*")}
        # The longest fits best.
        patterns = [(name[:-1], to) for name, to in aliases.items() if name.endswith("*")]
        self._many = sorted(patterns, key=lambda pattern: -len(pattern[0]))

    def meant(self, asked: str) -> str:
        """The name with deployments that ``asked`` stands for; an unknown name stays as it is."""
        if asked in self._names:
            return asked
        if asked in self._aliases:
            return self._aliases[asked]
        return next((to for begin, to in self._many if asked.startswith(begin)), asked)
