"""Images of the lab's own: Ollama's stand-in, and whatever else lies on the hosts' base."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from llmrack_lab.base import ensure_base
from llmrack_lab.kube.builder import Built
from llmrack_lab.kube.cluster import Cluster, trusted
from llmrack_lab.kube.images import Image, Layer, pack_files, pack_layer, write_image
from llmrack_lab.lab import Lab
from llmrack_lab.shell import Progress


def add_ollama(cluster: Cluster, lab: Lab, progress: Progress) -> str:
    """Import the image of the lab's Ollama; returns its reference by digest."""
    (archive,) = lab.folder.glob("mirror/v*/ollama-linux-*64.tar.zst")
    version = archive.parent.name.removeprefix("v")
    built = Built(_ollama_layer(archive, cluster.images), "")
    return add(cluster, lab, f"localhost/ollama:{version}", built, progress)


def add(cluster: Cluster, lab: Lab, name: str, built: Built, progress: Progress) -> str:
    """Import an image on the hosts' base; returns its reference by digest.

    It trusts the lab's authority, which signs the stand-ins' certificates.
    """
    root = lab.folder.parent
    base = ensure_base(root, progress)
    layers = [_base_layer(root, base, progress), built.layer, _authority_layer(lab, cluster.images)]
    archive = cluster.images / "image.tar"
    config = {"User": built.user} if built.user else {}
    progress(f"importing {name}")
    reference = write_image(Image(name, layers, config), archive)
    if reference not in cluster.image_names():
        cluster.add_image(archive, reference)
    archive.unlink()
    return reference


def _base_layer(root: Path, base: Path, progress: Progress) -> Layer:
    """The hosts' base, packed once."""
    folder = root / "kube-images"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{base.name}.tar"
    if not file.exists():
        progress("packing the base of images (once)")
    return pack_layer(base, file)


def _authority_layer(lab: Lab, folder: Path) -> Layer:
    path = "etc/ssl/certs/ca-certificates.crt"
    return pack_files({path: (trusted(lab).encode(), 0o644)}, folder / "authority.tar")


def _ollama_layer(archive: Path, folder: Path) -> Layer:
    """A release of Ollama below ``/usr``."""
    unpacked = subprocess.run(  # noqa: S603  (fixed command, no shell)
        ["zstd", "--decompress", "--stdout", "--quiet", str(archive)],  # noqa: S607  (by PATH)
        check=True,
        capture_output=True,
    )
    files: dict[str, tuple[bytes, int]] = {}
    with tarfile.open(fileobj=BytesIO(unpacked.stdout)) as content:
        for entry in content:
            if (source := content.extractfile(entry)) is not None:
                files[f"usr/{entry.name.removeprefix('./')}"] = (source.read(), entry.mode)
    return pack_files(files, folder / "ollama.tar")
