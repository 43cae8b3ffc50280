"""Removal of instances, and of their warm-ups, that are no longer declared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote
from typing import ClassVar

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.look import Look, Seen


@dataclass(frozen=True)
class UndeclaredInstances:
    """Undeclared units ``llmrack-ollama@NAME.service``, and their warm-ups, are removed.

    Their models stay, and so do their homes with the keys by which ollama.com knows them.

    + units: the folder of the user's units
    + environments: the folder of the instances' environment files
    + declared: names of the units that stay
    """

    name: ClassVar[str] = "Instances that nobody declares"
    user: str
    units: str
    environments: str
    declared: frozenset[str]

    def look(self, look: Look) -> None:
        """The units that the user manager or an instance starts."""
        look.globs.add(f"{self.units}/default.target.wants/llmrack-ollama*.service")
        look.globs.add(f"{self.units}/llmrack-ollama@*.service.wants/llmrack-warm-up@*.service")

    def gone(self, seen: Seen) -> list[str]:
        """The units that will be removed, sorted."""
        enabled = {
            PurePosixPath(path).name
            for path in seen.paths
            if path.startswith(f"{self.units}/") and ".wants/llmrack-" in path
        }
        return sorted(
            unit
            for unit in enabled - self.declared
            if unit.startswith(("llmrack-ollama", "llmrack-warm-up"))
        )

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Stop and disable them, remove their environment files."""
        gone = self.gone(seen)
        if not gone:
            return None
        units = " ".join(map(quote, gone))
        files = " ".join(
            quote(f"{self.environments}/{PurePosixPath(unit).stem.partition('@')[2]}.env")
            for unit in gone
            if unit.startswith("llmrack-ollama@")
        )
        script = f"systemctl --user -q disable --now {units}" + (
            f" && rm -f {files}" if files else ""
        )
        return Change(
            self.name,
            f"to be removed: {', '.join(gone)}",
            (Shell(as_user(self.user, script), timeout=120),),
        )
