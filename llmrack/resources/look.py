"""One look at a host: what is asked (see look_script), and what the host answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

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
class ModelSeen:
    """A model in the models directory: its manifest's SHA-256 (hex), its layers' bytes.

    + damaged: those of its blobs that are missing or of another size: SHA-256 (hex), right size
    """

    digest: str
    size: int = 0
    damaged: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ListenerSeen:
    """A process that listens on a TCP port, or may do so by a socket that it holds.

    + address: where, with the port, as ``ss`` writes it: ``0.0.0.0:4000``, ``[::]:22``, ``*:22``
    + program: the process's name; it and the others are empty where they are not known
    + unit: its unit or scope of systemd
    """

    address: str
    pid: str = ""
    program: str = ""
    unit: str = ""


@dataclass
class Look:
    """What the snapshot must ask for; resources add to it.

    + globs: patterns of paths; what matches is seen like ``paths``
    + notes: files of one line that is wanted
    + secret_files: files that are a secret as a whole, seen by a salted digest
    + access: pairs of a user and a folder that this user must reach and write to
    + controllers: users whose manager's cgroup controllers are wanted
    + models: a models directory of Ollama
    + ports: TCP ports of which it is wanted who listens there
    + made: whether what llmrack itself made there is wanted (``made``)
    + removable: whether those of the packages among it are that can go
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
    models: str = ""
    ports: set[int] = field(default_factory=set)
    gpus: bool = False
    made: bool = False
    removable: bool = False


@dataclass
class Seen:
    """What the host answered; absent keys are things it does not have.

    + edited: paths of files that are not as llmrack wrote them last
    + edited_keys: the same for keys, by the path of their environment file
    + kept: paths of files whose edits stay (the setting ``keep_edits``)
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
    models: dict[str, ModelSeen] = field(default_factory=dict)
    listeners: list[ListenerSeen] = field(default_factory=list)
    gpu_lines: list[list[str]] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    removable: set[str] = field(default_factory=set)

    def fact(self, name: str) -> str:
        """A fact about the host itself, empty when it is not known."""
        return self.facts.get(name, "")


def parse(lines: Iterable[str], kept: Collection[str] = ()) -> Seen:
    """What the script printed, read. Raises ValueError when it was cut short.

    + kept: paths of files whose edits stay
    """
    seen = Seen(kept=frozenset(kept))
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
            case "gpu", fields:
                seen.gpu_lines.append(fields)
            case "note", [path, text]:
                seen.notes[path] = text
            case "disk", [path, mount, free, state]:
                seen.disks[path] = DiskSeen(mount, int(free), bool(state))
            case "listener", [address, pid, program, unit]:
                seen.listeners.append(ListenerSeen(address, pid, program, unit))
            case "made", [text]:
                seen.made.add(text)
            case "removable", [name]:
                seen.removable.add(name)
            case "mount", [path]:
                seen.mounts.add(path)
            case "access", [path, verdict, where]:
                seen.access[path] = (verdict, where)
            case "model", [path, digest]:
                seen.models[model_name(path)] = ModelSeen(digest)
            case "model_size", [path, size]:
                name = model_name(path)
                seen.models[name] = replace(seen.models[name], size=int(size))
            case "model_damage", [path, digest, size]:
                name = model_name(path)
                damaged = (*seen.models[name].damaged, (digest, int(size)))
                seen.models[name] = replace(seen.models[name], damaged=damaged)
        whole = whole or line == TAG
    if not whole:
        raise ValueError("the host's answer was cut short")
    return seen


def model_name(path: str) -> str:
    """A model's name from its manifest's path below ``manifests/``.

    ``registry.ollama.ai/library/llama3.2/1b`` is ``llama3.2:1b`` (ollama/ollama
    types/model/name.go).
    """
    host, namespace, model, tag = path.split("/")
    if host != "registry.ollama.ai":
        return f"{host}/{namespace}/{model}:{tag}"
    return f"{model}:{tag}" if namespace == "library" else f"{namespace}/{model}:{tag}"
