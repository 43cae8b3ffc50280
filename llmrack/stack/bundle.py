"""A bundle: everything that a deploy would fetch, in one folder, with an index of checksums."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from llmrack.problems import DeclarationError, Problem
from llmrack.stack.settings import ReleaseFile, Version
from llmrack.stack.types import Sha256

INDEX = "bundle.json"
LOCK, UV_LOCK = "gateway/requirements.txt", "gateway/uv.txt"
# Folders in the folder of a target, as in debian-12-amd64.
PACKAGES, WHEELS = "packages", "wheels"
# Debian's index of the packages in a folder.
PACKAGES_INDEX = "Packages"


class Listed(BaseModel):
    """A file of a bundle.

    + sha256: its digest, in hex
    + size: in bytes
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Sha256
    size: int = Field(ge=0)


class BundledModel(BaseModel):
    """A model of a bundle, in the layout in which Ollama keeps it.

    + manifest, blobs: its files, as paths in the bundle
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # It becomes a path on hosts.
    manifest: Annotated[
        str, StringConstraints(pattern=r"^models/manifests(/[A-Za-z0-9_][A-Za-z0-9_.:-]*){4}$")
    ]
    blobs: tuple[str, ...]


class Index(BaseModel):
    """``bundle.json``, which is written last: a folder without it is no bundle.

    + targets: the systems it can deploy to, as in ``debian-12-amd64``
    + ollama_sha256: digest of the release's archive, by architecture, and of that with ROCm
    + models: by name, with its tag
    + files: all other files of the folder, by path
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    targets: tuple[str, ...]
    ollama_version: Version
    ollama_sha256: dict[ReleaseFile, Sha256]
    models: dict[str, BundledModel]
    files: dict[str, Listed]


@dataclass(frozen=True)
class Bundle:
    """A bundle in ``folder``.

    + sound: names of files that were checked and are not damaged
    """

    folder: Path
    index: Index
    sound: set[str] = field(default_factory=set, compare=False)

    @cached_property
    def locks(self) -> tuple[str, str]:
        """The texts of the lock files of the gateway and of uv, from when the bundle was made."""
        lock, uv_lock = (self.folder / name for name in (LOCK, UV_LOCK))
        return lock.read_text(encoding="utf-8"), uv_lock.read_text(encoding="utf-8")

    def archive(self, file: str) -> Path:
        """A file of Ollama's release: ``amd64``, ``arm64`` or ``amd64-rocm``."""
        return self.folder / archive_name(file)

    def model_size(self, model: str) -> int:
        """Bytes of a model's blobs."""
        return sum(self.index.files[name].size for name in self.index.models[model].blobs)

    def below(self, folder: Path) -> list[str]:
        """The files in one of its folders, sorted; empty for a folder outside of it."""
        if not folder.is_relative_to(self.folder):
            return []
        start = f"{folder.relative_to(self.folder).as_posix()}/"
        return sorted(name for name in self.index.files if name.startswith(start))

    def damage(self, name: str) -> str:
        """The damage of one file, in a few words; empty if it is as it was made."""
        if name in self.sound:
            return ""
        listed = self.index.files.get(name)
        if listed is None:
            return "is not in the bundle's index"
        path = self.folder / name
        if not path.is_file():
            return "is missing"
        if path.stat().st_size != listed.size:
            return f"has {path.stat().st_size} bytes instead of {listed.size}"
        if digest(path) != listed.sha256:
            return "is damaged: its SHA-256 is not the one it was made with"
        self.sound.add(name)
        return ""


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive_name(file: str) -> str:
    """Where a file of Ollama's release lies in a bundle, under its official name."""
    return f"ollama/ollama-linux-{file}.tar.zst"


def load_bundle(folder: Path, name: str) -> Bundle:
    """Read the index of the bundle in ``folder``, which settings call ``name``.

    Only the small lock files are compared with it, because every run reads them. Raises
    DeclarationError.
    """
    try:
        index = Index.model_validate_json((folder / INDEX).read_bytes())
    except FileNotFoundError:
        cause = f"has no {INDEX}, so it was not finished" if folder.is_dir() else "is no folder"
        raise _unusable(name, cause) from None
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        cause = f"{INDEX} is no index that this version reads ({place or 'no JSON'})"
        raise _unusable(name, cause) from None
    except OSError as error:
        raise _unusable(name, f"{INDEX} cannot be read ({error.strerror})") from None
    bundle = Bundle(folder, index)
    for lock in (LOCK, UV_LOCK):
        if why := bundle.damage(lock):
            raise _unusable(name, f"{lock} {why}")
    return bundle


def _unusable(name: str, cause: str) -> DeclarationError:
    way_out = f"run `llmrack bundle create {name}` where there is internet, or correct the path"
    return DeclarationError([Problem("bundle", name, cause, way_out)])
