"""Builds what `llmrack kube image` writes, without a builder of images: FROM, COPY, RUN and USER.

Every FROM is the lab's base, whatever it names: no registry of images can be reached.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llmrack_lab.kube.images import Layer, layer_of, pack_layer
from llmrack_lab.kube.overlay import Overlay, package_settings
from llmrack_lab.shell import LabError, Progress, remove_folder

CACHES = ("pip", "uv")


@dataclass
class Stage:
    """A stage of a build: its name, its instructions, and what was changed of the base."""

    name: str
    folder: Path
    instructions: list[tuple[str, str]] = field(default_factory=list)

    @property
    def upper(self) -> Path:
        """The files that it has changed."""
        return self.folder / "upper"


@dataclass(frozen=True)
class Built:
    """What an image has above the base: a layer, and the user that it runs as."""

    layer: Layer
    user: str


def build(context: Path, root: Path, base: Path, progress: Progress) -> Built:
    """Build the Containerfile in a folder, once for the same files.

    + root: of all labs

    Raises LabError.
    """
    text = (context / "Containerfile").read_text()
    digest = hashlib.sha256(f"{base.name}\0".encode())
    for file in sorted(path for path in context.iterdir() if path.is_file()):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    folder = root / "kube-images"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"built-{digest.hexdigest()[:12]}.tar"
    stages = list(_stages(text, folder / "build"))
    user = next((words for name, words in stages[-1].instructions if name == "USER"), "")
    if made.exists():
        return Built(layer_of(made), user)
    remove_folder(folder / "build")
    cache = {f"/var/cache/lab/{name}": root / "cache" / name for name in CACHES}
    for one in cache.values():
        one.mkdir(parents=True, exist_ok=True)
    for stage in stages:
        for name, words in stage.instructions:
            progress(f"{name} {words[:60]}")
            if name == "RUN":
                stage.upper.mkdir(parents=True, exist_ok=True)
                package_settings(stage.upper)
                Overlay([base], cache).run(stage.folder, words)
            elif name == "COPY":
                _copy_all(words, stage, stages, context)
    built = pack_layer(stages[-1].upper, made)
    remove_folder(folder / "build")
    return Built(built, user)


def _stages(text: str, folder: Path) -> Iterator[Stage]:
    stage: Stage | None = None
    lines = text.replace("\\\n", " ").splitlines()
    for line in lines:
        name, _, words = line.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        if name == "FROM":
            if stage:
                yield stage
            called = words.split()[2:3] or [str(len(lines))]
            stage = Stage(called[0], folder / called[0])
        elif stage is None or name not in ("COPY", "RUN", "USER"):
            raise LabError(f"the lab builds FROM, COPY, RUN and USER alone, not: {line}")
        else:
            stage.instructions.append((name, words))
    if stage is None:
        raise LabError("the Containerfile has no FROM")
    yield stage


def _copy_all(words: str, stage: Stage, stages: list[Stage], context: Path) -> None:
    *sources, target = shlex.split(words)
    folder = context
    if sources[0].startswith("--from="):
        wanted = sources.pop(0).partition("=")[2]
        folder = next(other.upper for other in stages if other.name == wanted)
    for source in sources:
        _copy(folder / source.lstrip("/"), stage.upper / target.lstrip("/"), target.endswith("/"))


def _copy(source: Path, target: Path, into: bool) -> None:
    target = target / source.name if into else target
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)
