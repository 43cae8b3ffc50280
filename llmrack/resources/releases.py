"""Releases: immutable directories that appear whole, by rename, and are never edited."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from llmrack.resources.change import Action, Change, Send, Shell, Upload
from llmrack.resources.downloads import downloading
from llmrack.resources.files import File, owned
from llmrack.resources.look import Look, Seen
from llmrack.resources.packages import target
from llmrack.resources.script import script_file
from llmrack.stack.proxy import Downloads

# Written last into a release, read by the units' records of what they were started with.
STAMP = "RELEASE"


@dataclass(frozen=True)
class Archive:
    """A ``.tar.zst`` unpacked at ``path``.

    + sha256: the archive's digest, in hex
    + upload: the archive on the controller, or None
    + urls: where the host fetches it otherwise, in the order they are tried
    + downloads: how curl finds its way there
    """

    path: str
    sha256: str
    owner: str
    cache: str
    upload: str | None
    urls: tuple[str, ...]
    downloads: Downloads | None = None

    @property
    def name(self) -> str:
        """As in ``Archive /home/llm/.local/opt/ollama/0.34.4-c238986e``."""
        return f"Archive {self.path}"

    def look(self, look: Look) -> None:
        """Whether its stamp is there."""
        look.paths.add(f"{self.path}/{STAMP}")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Fetch, check, unpack beside, rename."""
        if f"{self.path}/{STAMP}" in seen.paths:
            return None
        local = f"{self.cache}/{self.sha256}.tar.zst"
        actions: list[Action] = []
        if self.upload:
            arrived = f"/var/tmp/llmrack-{self.sha256}.tar.zst"  # noqa: S108  (checked by digest)
            actions.append(Upload(Path(self.upload), arrived))
            copy = f"cp {arrived} {local} || {{ rm -f {local}; exit 1; }}"
            take = owned(self.owner, f"mkdir -p {self.cache} && {{ {copy}; }}")
            # It is removed, also if the copy fails.
            actions.append(Shell(f"({take}); e=$?; rm -f {arrived}; exit $e", timeout=600))
        else:
            fetch = script_file("resources/fetch-archive.sh", self.cache, self.sha256, *self.urls)
            script = owned(self.owner, downloading(self.downloads, fetch))
            actions.append(Shell(script, timeout=7200, downloads=self.downloads))
        unpack = script_file("resources/unpack-archive.sh", self.cache, self.sha256, self.path)
        actions.append(Shell(owned(self.owner, unpack), timeout=1800))
        return Change(self.name, "missing", tuple(actions))


@dataclass(frozen=True)
class Venv:
    """A Python environment built from a lock file with hashes, by uv.

    + lock: every package with its version and digests (``uv pip compile --generate-hashes``)
    + uv_lock: the same for uv itself, which pip installs
    + bundle: the folder of the bundle that the wheels come from, or None
    + downloads: how pip and uv find their way to the package index
    """

    path: str
    lock: str
    uv_lock: str
    owner: str
    bundle: Path | None = None
    downloads: Downloads | None = None

    @property
    def name(self) -> str:
        """As in ``Venv /home/llm/.local/opt/gateway/venvs/3f2a…``."""
        return f"Venv {self.path}"

    def look(self, look: Look) -> None:
        """Whether its stamp is there."""
        look.paths.add(f"{self.path}/{STAMP}")

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Build it in place; without its stamp it counts as absent and is built anew."""
        if f"{self.path}/{STAMP}" in seen.paths:
            return None
        actions: list[Action] = []
        wheels = ""
        if self.bundle:
            wheels = f"{self.path}.wheels"
            actions.append(Send(self.bundle / target(seen) / "wheels", wheels, self.owner))
        both = f"{self.lock}\n# --- uv ---\n{self.uv_lock}"
        build = script_file("resources/build-venv.sh", self.path, len(both.encode()), wheels)
        script = owned(self.owner, downloading(self.downloads, build))
        actions.append(Shell(script, both, 1800, self.downloads))
        return Change(self.name, "missing", tuple(actions))


@dataclass(frozen=True)
class Release:
    """A directory of files, and links to other things, that appears whole.

    + files: path in the release → content
    + links: name in the release → absolute target
    """

    path: str
    owner: str
    files: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """As in ``Release /home/llm/.local/opt/gateway/releases/3f2a…``."""
        return f"Release {self.path}"

    def look(self, look: Look) -> None:
        """Whether its stamp is there, and whether its files are as they were written."""
        look.paths.add(f"{self.path}/{STAMP}")
        look.hashes.update(f"{self.path}/{name}" for name, _ in self.files)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Write it beside, then rename; one edited by hand is put back as it was."""
        edited = [
            name
            for name, content in self.files
            if seen.hashes.get(f"{self.path}/{name}") != File("", content).digest
        ]
        paths = tuple(f"{self.path}/{name}" for name in edited)
        whole = f"{self.path}/{STAMP}" in seen.paths
        if whole and seen.kept.issuperset(paths):
            return None
        parts: list[str | int] = []
        for name, content in self.files:
            parts += ["file", name, len(content.encode())]
        for name, leads in self.links:
            parts += ["link", name, leads]
        why = f"edited by hand: {', '.join(edited)}" if whole else "missing"
        stdin = "".join(content for _, content in self.files)
        script = script_file("resources/write-release.sh", self.path, *parts)
        write = Shell(owned(self.owner, script), stdin=stdin)
        return Change(self.name, why, (write,), edited=paths if whole else ())
