"""What a host shall no longer have. Nothing is removed that llmrack did not make."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from shlex import quote

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.files import Line
from llmrack.resources.look import Look, Seen
from llmrack.resources.ownership import KEPT
from llmrack.resources.script import script_file

# Seconds for what is removed file by file: models are large.
REMOVAL_TIMEOUT = 600


def _as(user: str | None, seen: Seen, script: str) -> str:
    """``script`` as the user whose files they are; as root where that user is gone."""
    return as_user(user, script) if user in seen.users and user else script


def _matching(seen: Seen, patterns: Collection[str]) -> list[str]:
    return sorted(
        path for path in seen.paths if any(fnmatchcase(path, pattern) for pattern in patterns)
    )


@dataclass(frozen=True)
class UnitsGone:
    """Units that are stopped, and removed with the links that enabled them; drop-ins stay.

    + title: whose they are, for plans
    + folder: where their files are
    + patterns: of their names
    + user: whose user manager runs them; None for the system's
    + after: script for what they leave when they stop
    + timeout: seconds that they may take to stop
    """

    title: str
    folder: str
    patterns: tuple[str, ...]
    user: str | None = None
    after: str = ":"
    timeout: int = 120

    @property
    def name(self) -> str:
        """As in ``Units of the gateway``."""
        return f"Units of {self.title}"

    @property
    def _paths(self) -> list[str]:
        return [
            f"{self.folder}/{at}{pattern}" for pattern in self.patterns for at in ("", "*.wants/")
        ]

    def look(self, look: Look) -> None:
        """Their files and links."""
        look.globs.update(self._paths)
        if self.user:
            look.users.add(self.user)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Stop them all at once, those too that run without being enabled."""
        paths = [path for path in _matching(seen, self._paths) if not path.endswith(".d")]
        if not paths:
            return None
        manager = "--user" if self.user else "--system"
        count = len(self.patterns)
        stop = script_file("resources/stop-units.sh", manager, count, *self.patterns, *paths)
        stop = f"{stop} || exit 1; {self.after}"
        units = sorted({path.rpartition("/")[2] for path in paths if ".wants" not in path})
        script = _as(self.user, seen, stop)
        return Change(
            self.name,
            f"to be stopped and removed: {', '.join(units) or 'links'}",
            (Shell(script, timeout=self.timeout),),
        )


@dataclass(frozen=True)
class PathsGone:
    """Files and folders that are removed with all that is in them.

    + name: as plans call them
    + patterns: absolute paths, or patterns of such
    + owner: the user in whose folders they are, or root
    + empty: folders that go, too, where nothing is left in them
    + after: script for what follows from it
    """

    name: str
    patterns: tuple[str, ...]
    owner: str = "root"
    empty: tuple[str, ...] = ()
    after: str = ":"

    def look(self, look: Look) -> None:
        """Which of them are there."""
        look.globs.update(self.patterns)
        look.users.add(self.owner)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove those that are there."""
        paths = _matching(seen, self.patterns)
        if not paths:
            return None
        script = f"rm -rf {' '.join(map(quote, paths))} || exit 1; "
        if self.empty:
            script += f"rmdir {' '.join(map(quote, self.empty))} 2>/dev/null; "
        owner = None if self.owner == "root" else self.owner
        return Change(
            self.name,
            f"to be removed: {', '.join(paths)}",
            (Shell(_as(owner, seen, script + self.after), timeout=REMOVAL_TIMEOUT),),
        )


@dataclass(frozen=True)
class LineGone:
    """A line that was added to a file of somebody else's."""

    line: Line

    @property
    def name(self) -> str:
        """As in ``Line in /home/llm/.profile``."""
        return self.line.name

    def look(self, look: Look) -> None:
        """Whether it is there."""
        self.line.look(look)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Write the file without it beside, then rename."""
        if self.line.path not in seen.lines:
            return None
        script = script_file("resources/remove-line.sh", self.line.path, self.line.line)
        return Change(self.name, "to be removed", (Shell(_as(self.line.owner, seen, script)),))


@dataclass(frozen=True)
class DropInGone:
    """A package's service that runs again as its package has it.

    + service: its unit
    + drop_in: absolute path
    + package: where it comes from; the service ends where that goes
    """

    service: str
    drop_in: str
    package: str

    @property
    def name(self) -> str:
        """As in ``Drop-in of prometheus.service``."""
        return f"Drop-in of {self.service}"

    def look(self, look: Look) -> None:
        """Whether it is there, and whether the package can go."""
        look.paths.add(self.drop_in)
        look.removable = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove it, then stop the service or start it anew."""
        if self.drop_in not in seen.paths:
            return None
        goes = self.package in seen.removable
        verb = "stop" if goes else "try-restart"
        script = (
            f"rm -f {self.drop_in} && {{ rmdir {self.drop_in.rpartition('/')[0]} 2>/dev/null; "
            f"systemctl daemon-reload; systemctl {verb} {self.service}; }}"
        )
        why = "to be removed, the service stops" if goes else "to be removed, the service restarts"
        return Change(self.name, why, (Shell(script, timeout=120),))


@dataclass(frozen=True)
class PackagesGone:
    """The packages that llmrack installed and that nothing else needs."""

    @property
    def name(self) -> str:
        """As plans call them."""
        return "Packages"

    def look(self, look: Look) -> None:
        """Which can go."""
        look.removable = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Purge them, then forget them."""
        if not seen.removable:
            return None
        names = sorted(seen.removable)
        script = script_file("resources/purge-packages.sh", *names)
        return Change(
            self.name, f"to be removed: {', '.join(names)}", (Shell(script, timeout=1800),)
        )


@dataclass(frozen=True)
class NotesGone:
    """What llmrack notes of itself on a host; as long as models are kept, where they are."""

    @property
    def name(self) -> str:
        """As plans call them."""
        return "Notes"

    def look(self, look: Look) -> None:
        """What is noted."""
        look.made = True
        look.paths.add("/run/llmrack")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove them, the lock among them: nothing may come after it."""
        noted = [line for line in seen.made if not line.startswith(KEPT)]
        if not (changed or noted or "/run/llmrack" in seen.paths):
            return None
        script = script_file("resources/remove-notes.sh")
        return Change(self.name, "to be removed", (Shell(script),))
