"""A change of Ollama's release, units or environment: the state before is kept until the proof."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from shlex import quote
from typing import ClassVar

from llmrack.components.ollama.folders import OllamaHome
from llmrack.components.ollama.instances import UndeclaredInstances
from llmrack.components.ollama.models import COMPARED
from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.last_written import Note, noted
from llmrack.resources.look import Look, Seen
from llmrack.resources.old_releases import OldReleases
from llmrack.resources.script import script_file
from llmrack.resources.units import or_journal
from llmrack.stack.settings import Settings

# Seconds for which an instance that has passed its gate is watched: one that ends again and again
# must live longer than this each time to be taken for well.
STANDS = 6
# Seconds that instances get to answer again with what they had before.
BACK = 120


@dataclass(frozen=True)
class EngineSwitch:
    """Release, environment and units change together, and come back together.

    + kept: folder for their state before the change; it exists until the change is proven
    + current: the link to the release
    + template: the unit file of all instances
    + environments: folder of the instances' environment files
    + address: where the host reaches its instances
    + parts: names of the resources that change together
    + instances: unit of each instance, by the name of its resource
    + undeclared: the instances that are stopped with a change
    """

    name: ClassVar[str] = "Proof of Ollama's change"
    # Models are compared with those from before each restart.
    compared: ClassVar[str] = COMPARED
    user: str
    kept: str
    current: str
    template: str
    environments: str
    address: str
    parts: tuple[str, ...]
    instances: Mapping[str, str]
    undeclared: UndeclaredInstances

    def look(self, look: Look) -> None:
        """Whether an unproven change exists, and the release that runs."""
        look.paths.update((self.kept, self.current))

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Due when an earlier run was cut off before its proof; a run with changes has a proof."""
        if not self.is_unproven(seen):
            return None
        return Change(self.name, "the change before was cut off", ())

    def serves(self, seen: Seen) -> bool:
        """Whether a change would restart or stop something that runs."""
        units = (seen.units.get(unit) for unit in self.instances.values())
        is_active = any(unit and unit.active == "active" for unit in units)
        return self.is_unproven(seen) or is_active or bool(self.undeclared.gone(seen))

    def is_unproven(self, seen: Seen) -> bool:
        """Whether an earlier run was cut off before it proved its change."""
        return self.kept in seen.paths

    @property
    def keep(self) -> Shell:
        """Keep the present state.

        The state that an earlier, cut-off run kept stays instead: it is the last proven one. Parts
        that somebody removed while they served cannot be kept; the change makes them again.
        """
        return self._shell(script_file("ollama/keep.sh", *self._places))

    @property
    def forget(self) -> Shell:
        """The change is proven."""
        return self._shell(f"rm -rf {self.kept}")

    def back(self, seen: Seen) -> Shell:
        """Bring back the state that was kept; an instance that still runs with it is left alone.

        + seen: the look from before the change
        """
        back = script_file("ollama/bring-back.sh", *self._places, self.address, BACK)
        script = self._shell(back, timeout=BACK * max(1, len(self.instances)) + 60)
        return replace(script, script=noted(self._notes(seen), script.script))

    def _notes(self, seen: Seen) -> list[Note]:
        """Notes that the files which come back are llmrack's own, unless they were edited."""
        if self.is_unproven(seen):
            return []
        ours = (self.template, f"{self.environments}/")
        return [
            Note(path, digest)
            for path, digest in seen.hashes.items()
            if path.startswith(ours) and path not in seen.edited
        ]

    def stands(self, unit: str, url: str) -> Shell:
        """Fails when an instance that has answered ends or stops answering within STANDS."""
        watch = as_user(self.user, script_file("ollama/watch.sh", unit, url, STANDS))
        return Shell(or_journal(watch, self.user, unit))

    def tells(self, unit: str) -> Shell:
        """Fails with the end of an instance's journal."""
        journal = f"journalctl --user -q -n 15 --no-pager -o cat -u {quote(unit)}"
        script = f"echo 'the journal of {unit} ends with:'; {journal}; exit 1"
        return Shell(or_journal(as_user(self.user, script), self.user, unit))

    def previous(self, seen: Seen) -> str:
        """The release that ``back`` returns to, for people."""
        if self.is_unproven(seen):
            return "the release before"
        link = seen.paths.get(self.current)
        # Somebody has removed it while it served.
        return PurePosixPath(link.link).name if link else "what is left of what it had"

    @property
    def _places(self) -> tuple[str, ...]:
        """The first arguments of its scripts."""
        return self.kept, self.environments, self.template, self.current

    def _shell(self, script: str, timeout: int = 60) -> Shell:
        return Shell(as_user(self.user, script), timeout=timeout)


def engine_releases(settings: Settings, home: OllamaHome, archive: str) -> OldReleases:
    """How many of Ollama's releases a host keeps: the declared number, and the one in use.

    + archive: the folder of the release that is declared
    """
    return OldReleases(
        home.releases,
        home.user,
        settings.ollama_keep_releases,
        archive,
        links=(f"{home.releases}/current",),
        after=(f"Archive {archive}",),
    )
