"""Releases: immutable directories that appear whole, by rename, and are never edited."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from llmrack.resources.change import Action, Change, Send, Shell, Upload
from llmrack.resources.downloads import with_variables
from llmrack.resources.files import File, owned
from llmrack.resources.look import Look, Seen
from llmrack.resources.packages import target
from llmrack.resources.script import script_file
from llmrack.stack.proxy import Downloads

# Written last into a release, read by the units' records of what they were started with.
STAMP = "RELEASE"


@dataclass(frozen=True)
class Source:
    """A ``.tar.zst`` and where it comes from.

    + sha256: its digest, in hex
    + upload: the file on the controller, or None
    + urls: where the host fetches it otherwise, in the order they are tried
    + downloads: how curl finds its way there
    """

    sha256: str
    upload: str | None
    urls: tuple[str, ...]
    downloads: Downloads | None = None


@dataclass(frozen=True)
class Archive:
    """Archives unpacked at ``path``, one over the other.

    + sources: the first one has the program; the others add to it
    """

    path: str
    sources: tuple[Source, ...]
    owner: str
    cache: str

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
        actions = [action for source in self.sources for action in self._bring(source)]
        digests = [source.sha256 for source in self.sources]
        unpack = script_file("resources/unpack-archive.sh", self.cache, self.path, *digests)
        actions.append(Shell(owned(self.owner, unpack), timeout=1800 * len(digests)))
        return Change(self.name, "missing", tuple(actions))

    def _bring(self, source: Source) -> Iterator[Action]:
        """Put an archive into the cache."""
        if not source.upload:
            fetch = script_file(
                "resources/fetch-archive.sh", self.cache, source.sha256, *source.urls
            )
            script = owned(self.owner, with_variables(source.downloads, fetch))
            yield Shell(script, timeout=7200, downloads=source.downloads)
            return
        arrived = f"/var/tmp/llmrack-{source.sha256}.tar.zst"  # noqa: S108  (checked by digest)
        local = f"{self.cache}/{source.sha256}.tar.zst"
        yield Upload(Path(source.upload), arrived)
        copy = f"cp {arrived} {local} || {{ rm -f {local}; exit 1; }}"
        take = owned(self.owner, f"mkdir -p {self.cache} && {{ {copy}; }}")
        # It is removed, also if the copy fails.
        yield Shell(f"({take}); e=$?; rm -f {arrived}; exit $e", timeout=600)


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
        script = owned(self.owner, with_variables(self.downloads, build))
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
