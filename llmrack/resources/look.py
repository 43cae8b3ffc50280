"""One look at a host: the questions (see look_script), and the host's answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

TAG = "llmrack"


@dataclass(frozen=True)
class PathSeen:
    """A path as it is. ``kind`` is find's letter (f, d, l); ``link`` where a link leads."""

    kind: str
    owner: str
    mode: int
    link: str


@dataclass(frozen=True)
class UnitSeen:
    """A unit as systemd sees it.

    + active: ActiveState (active, inactive, failed, activating, deactivating)
    + enabled: UnitFileState (enabled, disabled, static or empty)
    + fresh: whether the files it was started with are still the same (see templates: a unit
      records their digests when it starts)
    """

    active: str
    enabled: str
    fresh: bool


@dataclass(frozen=True)
class DiskSeen:
    """The filesystem that a path is on, or will be: where it is mounted, and bytes free.

    + read_only: whether nobody can write there
    """

    mount: str
    free: int
    read_only: bool = False


@dataclass(frozen=True)
class ListenerSeen:
    """A process that listens on a TCP port, or may do so by a socket that it holds.

    + address: where, with the port, as ``ss`` writes it: ``0.0.0.0:4000``, ``[::]:22``, ``*:22``
    + program: the process's name; it, pid, unit and user are empty if they are not known
    + unit: its unit or scope of systemd
    + user: who it runs as
    """

    address: str
    pid: str = ""
    program: str = ""
    unit: str = ""
    user: str = ""

    def __str__(self) -> str:
        """As in ``ollama (process 812, ollama.service, user ollama)``.

        Its arguments are left out, as they may be secrets.
        """
        about = [f"process {self.pid}" if self.pid else "unknown process"]
        if self.unit.endswith(".service"):
            about.append(self.unit)
        if self.user:
            about.append(f"user {self.user}")
        return f"{self.program or 'another program'} ({', '.join(about)})"


@dataclass(frozen=True)
class Part:
    """A part of the look that only one component needs, with a script of its own.

    + tag: the first field of each line that the script prints, and the key in ``Seen.parts``
    + script: a path below ``templates/``
    + read: turns those lines (lists of the fields after the tag) into the value in ``Seen.parts``
    """

    tag: str
    script: str
    read: Callable[[list[list[str]]], Any]
    arguments: tuple[str | int, ...] = ()


@dataclass
class Look:
    """The questions of a look; resources add to them.

    + globs: patterns of paths; matching paths are seen like ``paths``
    + notes: files of which the first line is asked
    + secret_files: files that are a secret as a whole; a salted digest is asked
    + access: pairs of a user and a folder that this user must reach and write to
    + controllers: users for whose managers the cgroup controllers are asked
    + ports: TCP ports for which the listening process is asked
    + made: whether the notes of what llmrack made are asked
    + removable: whether the packages among those that can be removed are asked
    + parts: parts of single components, by tag (see ``ask``)
    """

    disks: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    globs: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)
    env_files: set[str] = field(default_factory=set)
    secret_files: set[str] = field(default_factory=set)
    lines: set[tuple[str, str]] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    user_units: set[tuple[str, str]] = field(default_factory=set)
    system_units: set[str] = field(default_factory=set)
    mounts: set[str] = field(default_factory=set)
    access: set[tuple[str, str]] = field(default_factory=set)
    controllers: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    made: bool = False
    removable: bool = False
    parts: dict[str, Part] = field(default_factory=dict)

    def ask(self, part: Part) -> None:
        """Add the part of one component; the same part is asked once."""
        self.parts[part.tag] = part


@dataclass
class Seen:
    """The host's answers; a thing that the host does not have has no key.

    + edited: paths of files that differ from what llmrack wrote last
    + edited_keys: the same for keys, by the path of their environment file
    + kept: paths of files whose edits stay (the setting ``keep_edits``)
    + parts: the values of components' parts, by the tag of the ``Part``
    """

    facts: dict[str, str] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    linger: set[str] = field(default_factory=set)
    paths: dict[str, PathSeen] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    env_keys: dict[str, dict[str, str]] = field(default_factory=dict)
    edited: set[str] = field(default_factory=set)
    edited_keys: dict[str, set[str]] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    secret_files: dict[str, str] = field(default_factory=dict)
    lines: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    units: dict[str, UnitSeen] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    disks: dict[str, DiskSeen] = field(default_factory=dict)
    mounts: set[str] = field(default_factory=set)
    access: dict[str, tuple[str, str]] = field(default_factory=dict)
    listeners: list[ListenerSeen] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    removable: set[str] = field(default_factory=set)
    parts: dict[str, Any] = field(default_factory=dict)

    def fact(self, name: str) -> str:
        """A fact about the host itself, empty when it is not known."""
        return self.facts.get(name, "")


def parse(lines: Iterable[str], look: Look, kept: Collection[str] = ()) -> Seen:
    """The answers in what the script printed. Raises ValueError if it was cut short.

    + look: the questions
    + kept: paths of files whose edits stay
    """
    seen = Seen(kept=frozenset(kept))
    of_parts: dict[str, list[list[str]]] = {tag: [] for tag in look.parts}
    whole = False
    for line in lines:
        tag, *rest = line.split("\t")
        match tag, rest:
            case "fact", [name, value]:
                seen.facts[name] = value
            case "user", [entry]:
                fields = entry.split(":")
                seen.users[fields[0]] = fields
            case "groups", [user, names]:
                seen.groups[user] = set(names.split())
            case "linger", [user]:
                seen.linger.add(user)
            case "path", [path, kind, owner, mode, link]:
                seen.paths[path] = PathSeen(kind, owner, int(mode, 8), link)
            case "hash", [digest, path, state]:
                seen.hashes[path] = digest
                if state:
                    seen.edited.add(path)
            case "env", [path, key, digest, state]:
                seen.env_keys.setdefault(path, {})[key] = digest
                if state:
                    seen.edited_keys.setdefault(path, set()).add(key)
            case "secret", [path, digest]:
                seen.secret_files[path] = digest
            case "line", [path]:
                seen.lines.add(path)
            case "package", [name, "installed"]:
                seen.packages.add(name)
            case "unit", [name, active, enabled, fresh]:
                seen.units[name] = UnitSeen(active, enabled, fresh == "fresh")
            case "note", [path, text]:
                seen.notes[path] = text
            case "disk", [path, mount, free, state]:
                seen.disks[path] = DiskSeen(mount, int(free), bool(state))
            case "listener", [address, pid, program, unit, user]:
                seen.listeners.append(ListenerSeen(address, pid, program, unit, user))
            case "made", [text]:
                seen.made.add(text)
            case "removable", [name]:
                seen.removable.add(name)
            case "mount", [path]:
                seen.mounts.add(path)
            case "access", [path, verdict, where]:
                seen.access[path] = (verdict, where)
            case _ if tag in of_parts:
                of_parts[tag].append(rest)
        whole = whole or line == TAG
    if not whole:
        raise ValueError("the host's answer was cut short")
    seen.parts = {tag: part.read(of_parts[tag]) for tag, part in look.parts.items()}
    return seen
