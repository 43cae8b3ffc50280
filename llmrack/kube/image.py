"""The image of the gateway's pods: what it is built from, and who builds it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from llmrack.components.render import render
from llmrack.kube.form import POD_SECURITY
from llmrack.site.locks import litellm_version, locks

# Python on Debian 13, from Docker Hub.
BASE = (
    "docker.io/library/python:3.13-slim-trixie"
    "@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285"
)
# Programs that build an image from a Containerfile, best first.
BUILDERS = ("podman", "buildah", "docker")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


class NotBuilt(Exception):
    """Why there is no image, and the way out."""


def write_recipe(folder: Path, base: str = BASE) -> list[Path]:
    """Write what the image is built from.

    + base: an image with python3 (3.11 to 3.13) and authorities' certificates, by its digest

    Raises NotBuilt for a base without a digest, and OSError.
    """
    if not _DIGEST.search(base):
        raise NotBuilt(f"{base} is not pinned; name it with its digest, as in {BASE}")
    requirements, uv = locks(None)
    files = {
        "Containerfile": render(
            "kube/Containerfile.j2",
            base=base,
            version=litellm_version(requirements),
            user=POD_SECURITY["runAsUser"],
        ),
        "requirements.txt": requirements,
        "uv.txt": uv,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def build(folder: Path, name: str) -> str:
    """Build the image and call it ``name``; returns the program that did. Raises NotBuilt."""
    builder = next((found for found in BUILDERS if shutil.which(found)), None)
    if builder is None:
        raise NotBuilt(f"nothing here builds images; install one of {', '.join(BUILDERS)}")
    words = [builder, "build", "--file", str(folder / "Containerfile"), "--tag", name, str(folder)]
    if subprocess.run(words, check=False).returncode:  # noqa: S603  (the user's own program)
        raise NotBuilt(f"{builder} could not build {name}; its lines above say why")
    return builder
