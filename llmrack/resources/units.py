"""systemd units, of the system or of the service user.

A unit's template records, when it starts, the digests of the files it depends on (``record`` in
templates/); the snapshot compares them with the files as they are now. So a restart that an
interrupted run did not get to is still due in the next one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.look import Look, Seen, UnitSeen
from llmrack.resources.script import script_file


@dataclass(frozen=True)
class Unit:
    """A unit that is enabled, active, and was started with the files as they are now.

    + user: whose user manager runs it; None for the system's
    + depends: names of the resources whose change makes a restart due
    + ready: a URL that answers when the service is ready, or empty
    + deadline: seconds it may take to get ready
    """

    unit: str
    user: str | None
    depends: tuple[str, ...]
    ready: str = ""
    deadline: int = 60

    @property
    def name(self) -> str:
        """As in ``Unit llmrack-ollama.service``."""
        return f"Unit {self.unit}"

    def look(self, look: Look) -> None:
        """Its state, and whether it is fresh."""
        if self.user:
            look.user_units.add((self.user, self.unit))
        else:
            look.system_units.add(self.unit)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Reload the manager, enable, (re)start, wait until it answers."""
        why = self._why(seen, changed)
        if not why:
            return None
        manager = "--user" if self.user else "--system"
        script = script_file(
            "resources/start-unit.sh", manager, self.unit, self.deadline, self.ready
        )
        if self.user:
            script = or_journal(as_user(self.user, script), self.user, self.unit)
        return Change(self.name, why, (Shell(script, timeout=self.deadline + 60),))

    def _why(self, seen: Seen, changed: Collection[str]) -> str:
        unit = seen.units.get(self.unit)
        if unit is None or unit.active == "inactive":
            return "not running"
        if unit.active != "active":
            return unit.active
        return due(unit, self.depends, changed)


def or_journal(script: str, user: str, unit: str) -> str:
    """``script``, which acts for ``user``; if it fails, root tells the end of the unit's journal.

    The script itself tells it where the user may read it.
    """
    tell = script_file("resources/tell-journal.sh", user, unit)
    return f"(\n{script}\n) || {{\n{tell}\nexit 1\n}}"


def due(unit: UnitSeen, depends: Collection[str], changed: Collection[str]) -> str:
    """Why a running unit must be restarted, or an empty text.

    + depends: names of the resources it is started with
    + changed: names of the resources that this run changes
    """
    if unit.enabled != "enabled":
        return "not enabled"
    touched = [name for name in depends if name in changed]
    if touched:
        return f"after {touched[0]}"
    return "" if unit.fresh else "started with other files than are there now"
