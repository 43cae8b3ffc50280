"""Images as containerd imports them: OCI archives of folders, as they lie over each other.

The form: https://github.com/opencontainers/image-spec (1.1)
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from llmrack_lab.base import host_architecture
from llmrack_lab.shell import run

# Of the hosts' base, what no pod needs.
LEFT_OUT = (
    *("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./var/cache", "./var/lib/apt"),
    *("./boot", "./proc", "./sys", "./dev", "./run", "./tmp"),
)
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Layer:
    """A layer in an archive of its own: its path, its SHA-256 in hex, and its size in bytes."""

    file: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Image:
    """An image: its name with a tag, its layers, the lowest first, and how it is run."""

    name: str
    layers: Sequence[Layer]
    config: Mapping[str, Any] = field(default_factory=dict)


def pack_layer(folder: Path, file: Path) -> Layer:
    """Pack a folder into ``file``, the same bytes each time, unless that is there."""
    if not file.exists():
        beside = file.with_suffix(".part")
        words = ["tar", "--create", f"--file={beside}", "--numeric-owner", "--sort=name"]
        words += ["--mtime=@0", *(f"--exclude={path}" for path in LEFT_OUT)]
        run([*words, "--directory", folder, "."], timeout=600)
        beside.rename(file)
    return layer_of(file)


def pack_files(files: Mapping[str, tuple[bytes, int]], file: Path) -> Layer:
    """Pack files, by their paths without the leading slash, with their modes."""
    with tarfile.open(file, "w") as archive:
        for path, (content, mode) in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, BytesIO(content))
    return layer_of(file)


def layer_of(file: Path) -> Layer:
    """A layer that is packed already."""
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    return Layer(file, digest, file.stat().st_size)


def write_image(image: Image, file: Path) -> str:
    """Write an archive; returns the image's reference by its digest, as ``name@sha256:…``."""
    config = json.dumps(
        {
            "architecture": host_architecture(),
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], **image.config},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{layer.digest}" for layer in image.layers],
            },
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _described(_CONFIG, config),
            "layers": [
                {"mediaType": _LAYER, "digest": f"sha256:{layer.digest}", "size": layer.size}
                for layer in image.layers
            ],
        }
    ).encode()
    name, _, tag = image.name.rpartition(":")
    about = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": tag}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [_described(_MANIFEST, manifest) | {"annotations": about}],
    }
    with tarfile.open(file, "w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(archive, "index.json", json.dumps(index).encode())
        for blob in (config, manifest):
            _add(archive, _blob(hashlib.sha256(blob).hexdigest()), blob)
        for layer in image.layers:
            entry = tarfile.TarInfo(_blob(layer.digest))
            entry.size = layer.size
            with layer.file.open("rb") as source:
                archive.addfile(entry, source)
    return f"{name}@sha256:{hashlib.sha256(manifest).hexdigest()}"


def _described(media: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)}


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _add(archive: tarfile.TarFile, path: str, content: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(content)
    archive.addfile(entry, BytesIO(content))
