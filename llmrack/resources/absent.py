"""Resources that a removal takes from a host; only those that llmrack made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from shlex import quote
from typing import ClassVar

from llmrack.resources.change import Change, Shell, as_user
from llmrack.resources.files import Line
from llmrack.resources.look import Look, Seen
from llmrack.resources.ownership import KEPT
from llmrack.resources.script import script_file

# Seconds for what is removed file by file: models are large.
REMOVAL_TIMEOUT = 600


def _as(user: str | None, seen: Seen, script: str) -> str:
    """``script``, run as the user who owns the files; as root if that user is gone."""
    return as_user(user, script) if user in seen.users and user else script


def _matching(seen: Seen, patterns: Collection[str]) -> list[str]:
    return sorted(
        path for path in seen.paths if any(fnmatchcase(path, pattern) for pattern in patterns)
    )


@dataclass(frozen=True)
class UnitsGone:
    """Units that are stopped and removed, with the links that enabled them; drop-ins stay.

    + title: what they belong to, for plans
    + folder: where their files are
    + patterns: of their names
    + user: whose user manager runs them; None for the system's
    + after: script that removes what they leave when they stop
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
        """Stop them all at once, also those that run and are not enabled."""
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
    """Files, and folders with all their content, that are removed.

    + name: as plans call them
    + patterns: absolute paths, or patterns of such
    + owner: the user in whose folders they are, or root
    + empty: folders that are removed, too, if they are empty then
    + after: script that runs afterwards
    """

    name: str
    patterns: tuple[str, ...]
    owner: str = "root"
    empty: tuple[str, ...] = ()
    after: str = ":"

    def look(self, look: Look) -> None:
        """Which of them exist."""
        look.globs.update(self.patterns)
        look.users.add(self.owner)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove those that exist."""
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
    """A line that llmrack added to a file of somebody else, and that is removed."""

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
    """A drop-in of a package's service that is removed.

    + service: its unit
    + drop_in: absolute path
    + package: the service's package; if that is removed, too, the service stops
    """

    service: str
    drop_in: str
    package: str

    @property
    def name(self) -> str:
        """As in ``Drop-in of prometheus.service``."""
        return f"Drop-in of {self.service}"

    def look(self, look: Look) -> None:
        """Whether it exists, and whether the package can be removed."""
        look.paths.add(self.drop_in)
        look.removable = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove it, then stop or restart the service."""
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
    """The packages that llmrack installed and nothing else needs are removed."""

    name: ClassVar[str] = "Packages"

    def look(self, look: Look) -> None:
        """Which of them can be removed."""
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
    """llmrack's notes on a host are removed, but for the note of where models were kept."""

    name: ClassVar[str] = "Notes"

    def look(self, look: Look) -> None:
        """The notes."""
        look.made = True
        look.paths.add("/run/llmrack")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Remove them and the lock; no change may follow this one."""
        noted = [line for line in seen.made if not line.startswith(KEPT)]
        if not (changed or noted or "/run/llmrack" in seen.paths):
            return None
        script = script_file("resources/remove-notes.sh")
        return Change(self.name, "to be removed", (Shell(script),))
