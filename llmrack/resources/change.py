"""Changes of a host, as data that ``llmrack/deploy`` carries out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Protocol

from llmrack.resources.look import Look, Seen
from llmrack.stack.proxy import Downloads


@dataclass(frozen=True)
class Shell:
    """A script for ``sh`` on the host, as root.

    + script: never holds a secret
    + stdin: its standard input, which may hold secrets
    + timeout: seconds after which the host itself ends it
    + downloads: what it reads first (``resources.downloads``); the deploy, which knows the secrets,
      puts it before ``stdin``
    """

    script: str
    stdin: str | None = field(default=None, repr=False)
    timeout: int = 60
    downloads: Downloads | None = None


@dataclass(frozen=True)
class Upload:
    """A local file that is put at ``remote`` on the host, readable by all."""

    local: Path
    remote: str


@dataclass(frozen=True)
class Send:
    """The files of a local folder, with nothing below it, put into a folder of a host's user."""

    folder: Path
    remote: str
    owner: str


@dataclass(frozen=True)
class InstallBundled:
    """Debian packages, with what they need, from a local folder that has them and their index."""

    packages: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Pull:
    """A model that the instance at ``url`` (seen from its host) pulls.

    + stall: seconds without progress after which the attempt is given up
    + manifest: where its manifest lies below ``manifests/`` of the models directory
    + manifest_url: where the registry has its manifest, which names the sizes of its layers
    """

    model: str
    url: str
    stall: float
    manifest: str
    manifest_url: str


@dataclass(frozen=True)
class Build:
    """A model that the instance at ``url`` makes: a request, after the files it names.

    + path: ``/api/create`` or ``/api/copy``
    + request: the JSON body
    + files: files on the controller that go to the host first: path and SHA-256 (hex)
    + stall: seconds without progress after which it is given up
    """

    model: str
    url: str
    path: str
    request: str
    files: tuple[tuple[str, str], ...]
    stall: float


@dataclass(frozen=True)
class Reboot:
    """A restart of the host; one host of the fleet at a time, and the run waits for it.

    + why: what needs the restart
    + deadline: seconds that the host may take to come back
    """

    why: str
    deadline: int = 600


Action = Shell | Upload | Send | InstallBundled | Pull | Build | Reboot


@dataclass(frozen=True)
class Change:
    """The change of one resource that differs.

    + resource: the name of the resource
    + why: the difference, in a few words
    + actions: what the run does about it, in order
    + secrets: names of the secrets that it brings to the host
    + edited: paths of files in which it undoes an edit
    + installs: whether it installs Debian packages, which write to /usr
    + includes: names of resources that follow, which it changes as well
    """

    resource: str
    why: str
    actions: tuple[Action, ...]
    secrets: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    installs: bool = False
    includes: tuple[str, ...] = ()


class Resource(Protocol):
    """Something a host shall have."""

    @property
    def name(self) -> str:
        """Its name in plans and messages; unique on its host."""

    def look(self, look: Look) -> None:
        """Add to ``look`` what must be seen to tell whether the host has it."""

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """The change that is due, or None; ``changed`` names resources that this run changes."""


def plan(resources: Collection[Resource], seen: Seen) -> list[Change]:
    """The changes that make a host as declared, in the order of ``resources``."""
    changes: list[Change] = []
    changed: list[str] = []
    for resource in resources:
        change = None if resource.name in changed else resource.change(seen, changed)
        if change:
            changes.append(change)
            changed += [change.resource, *change.includes]
    return changes


def as_user(user: str, script: str) -> str:
    """``script``, run by ``sh`` as ``user`` with its home, its groups and its user manager.

    Neither su nor sudo reaches the user's bus; setpriv with XDG_RUNTIME_DIR does
    (facts of pyinfra and systemd 252).
    """
    # Not in root's home, where the user may read nothing.
    words = quote(f"cd; {script}")
    environment = (
        f"HOME=$(getent passwd {user} | cut -d: -f6) USER={user} LANG=C.UTF-8 "
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin XDG_RUNTIME_DIR=/run/user/$i"
    )
    setpriv = f"setpriv --reuid=$i --regid=$(id -g {user}) --init-groups"
    return f"i=$(id -u {user}) && exec {setpriv} env -i {environment} sh -c {words}"
