"""Models on disk, in Ollama's own layout, so that either program can read what the other wrote.

``manifests/<host>/<namespace>/<model>/<tag>`` holds an OCI manifest, ``blobs/sha256-<hex>`` the
layers that it names (Ollama's ``manifest/`` package).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .names import ModelName
from .types import JsonObject

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.ollama.image."

# Blobs younger than this may belong to a pull that has not written its manifest yet.
PRUNE_GRACE_S = 3600.0

_DIGEST = re.compile(r"sha256[:-][0-9a-f]{64}")

Layer = JsonObject


@dataclass(frozen=True)
class Manifest:
    """A manifest as read from disk.

    Attributes:
        name: the model that it describes.
        digest: SHA-256 of the file, bare hex.
        modified: modification time of the file, seconds since the epoch.
        layers: its layers: ``mediaType``, ``digest``, ``size``.
        config: the layer that holds the model's configuration.
    """

    name: ModelName
    digest: str
    modified: float
    layers: list[Layer]
    config: Layer

    @property
    def all_layers(self) -> list[Layer]:
        """The layers and the configuration."""
        return [*self.layers, self.config]

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(int(layer["size"]) for layer in self.all_layers)


class Store:
    """The models directory.

    Args:
        root: the directory; it is created when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._manifests = root / "manifests"
        self._blobs = root / "blobs"
        self._manifests.mkdir(parents=True, exist_ok=True)
        self._blobs.mkdir(exist_ok=True)

    def blob_path(self, digest: str) -> Path:
        """Where the blob of a digest ``sha256:<hex>`` lies.

        Raises:
            ValueError: not a digest.
        """
        if not _DIGEST.fullmatch(digest):
            raise ValueError("invalid digest format")
        return self._blobs / digest.replace(":", "-")

    def manifests(self) -> list[Manifest]:
        """Every readable manifest, the most recently modified first; the disk is read anew."""
        manifests = []
        for path in self._manifests.glob("*/*/*/*"):
            with contextlib.suppress(ValueError, OSError, KeyError, TypeError):
                name = ModelName.from_path(PurePosixPath(path.relative_to(self._manifests)))
                manifests.append(self._read(name))
        return sorted(manifests, key=lambda manifest: int(manifest.modified), reverse=True)

    def existing(self, name: ModelName) -> ModelName:
        """The name as it is spelt on disk; Ollama ignores letter case in names."""
        for manifest in self.manifests():
            if manifest.name.full.lower() == name.full.lower():
                return manifest.name
        return name

    def manifest(self, name: ModelName) -> Manifest:
        """The manifest of a model.

        Raises:
            FileNotFoundError: no such model.
        """
        return self._read(self.existing(name))

    def _read(self, name: ModelName) -> Manifest:
        path = self._manifests / name.path
        content = path.read_bytes()
        data = json.loads(content)
        return Manifest(
            name=name,
            digest=hashlib.sha256(content).hexdigest(),
            modified=path.stat().st_mtime,
            layers=data["layers"],
            config=data["config"],
        )

    def write_manifest(self, name: ModelName, content: bytes) -> None:
        """Make a model appear under a name; the layers must be there already."""
        path = self._manifests / self.existing(name).path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._temporary() as temporary:
            temporary.write_bytes(content)
            temporary.chmod(0o644)
            temporary.replace(path)

    def copy(self, source: ModelName, destination: ModelName) -> None:
        """Give a model a second name.

        Raises:
            FileNotFoundError: no such model.
        """
        content = (self._manifests / self.existing(source).path).read_bytes()
        self.write_manifest(destination, content)

    def remove(self, name: ModelName) -> None:
        """Remove a model and the blobs that no other model names.

        Raises:
            FileNotFoundError: no such model.
        """
        manifest = self.manifest(name)
        path = self._manifests / manifest.name.path
        path.unlink()
        for parent in list(path.parents)[:3]:
            with contextlib.suppress(OSError):
                parent.rmdir()
        self.remove_unused(str(layer["digest"]) for layer in manifest.all_layers)

    def remove_unused(self, digests: Iterable[str]) -> None:
        """Remove those of the blobs that no manifest names."""
        used = {layer["digest"] for manifest in self.manifests() for layer in manifest.all_layers}
        for digest in set(digests) - used:
            self.blob_path(digest).unlink(missing_ok=True)

    def add(self, chunks: Iterable[bytes], media_type: str) -> tuple[Layer, bool]:
        """Store a blob.

        Returns:
            its layer, and whether it is new.
        """
        checksum, size = hashlib.sha256(), 0
        with self._temporary() as temporary:
            with temporary.open("wb") as file:
                for chunk in chunks:
                    checksum.update(chunk)
                    size += file.write(chunk)
            digest = f"sha256:{checksum.hexdigest()}"
            path = self.blob_path(digest)
            new = not path.exists()
            temporary.chmod(0o644)
            temporary.replace(path)
        return {"mediaType": media_type, "digest": digest, "size": size}, new

    def prune(self) -> int:
        """Remove blobs that no manifest names and parts of downloads; returns how many."""
        used = {layer["digest"] for manifest in self.manifests() for layer in manifest.all_layers}
        removed = 0
        for path in self._blobs.iterdir():
            young = time.time() - path.stat().st_mtime < PRUNE_GRACE_S
            if not young and path.name.replace("-", ":", 1) not in used:
                path.unlink()
                removed += 1
        return removed

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        handle, name = tempfile.mkstemp(dir=self._blobs, prefix="sha256-")
        os.close(handle)
        path = Path(name)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
