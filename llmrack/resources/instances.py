"""Instances that are no longer declared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.look import Look, Seen


@dataclass(frozen=True)
class UndeclaredInstances:
    """User units ``llmrack-ollama@NAME.service`` other than the declared ones are removed.

    Their models stay, and so do their homes with the keys by which ollama.com knows them.

    + units: the folder of the user's units
    + environments: the folder of the instances' environment files
    + declared: names of the instances that stay
    """

    user: str
    units: str
    environments: str
    declared: frozenset[str]

    @property
    def name(self) -> str:
        """As plans call it."""
        return "Instances that nobody declares"

    @property
    def _enabled(self) -> str:
        return f"{self.units}/default.target.wants"

    def look(self, look: Look) -> None:
        """The units that start with the user's manager."""
        look.globs.add(f"{self._enabled}/llmrack-ollama*.service")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Stop and disable them, remove their environment files."""
        there = [PurePosixPath(path) for path in seen.paths]
        found = {
            path.name: path.stem.partition("@")[2]
            for path in there
            if str(path.parent) == self._enabled and path.name.startswith("llmrack-ollama")
        }
        gone = sorted(unit for unit, name in found.items() if name not in self.declared)
        if not gone:
            return None
        steps = []
        for unit in gone:
            name = found[unit]
            warm_up = quote(f"llmrack-warm-up@{name}.service")
            steps.append(f"systemctl --user -q disable --now {warm_up} 2>/dev/null; :")
            steps.append(f"systemctl --user -q disable --now {quote(unit)}")
            steps.append(f"rm -f {quote(f'{self.environments}/{name}.env')}")
        script = as_user(self.user, " && ".join(f"{{ {step}; }}" for step in steps))
        return Change(self.name, f"to be removed: {', '.join(gone)}", (Shell(script, timeout=120),))
