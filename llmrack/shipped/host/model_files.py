"""The models in a models directory of Ollama's, read from disk: a stopped server has them, too.

It is sent to hosts: Python 3.10 and its standard library.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Bytes. A manifest and a model's configuration have some hundred.
LARGEST = 1 << 20


def model_files(folder: str) -> dict[str, dict[str, Any]]:
    """The models, by their manifest's path below ``manifests/``.

    Each has ``size`` (bytes), ``families``, and ``is_remote``: whether another server runs it.
    """
    models = {}
    manifests = Path(folder, "manifests")
    for path in sorted(manifests.glob("*/*/*/*")):
        manifest = json_of(path)
        layers = manifest.get("layers")
        configuration = manifest.get("config")
        if not isinstance(layers, list) or not isinstance(configuration, dict):
            continue
        blob = str(configuration.get("digest", "")).replace(":", "-")
        about = json_of(Path(folder, "blobs", os.path.basename(blob))) if blob else {}  # noqa: PTH119
        families = about.get("model_families") or [about.get("model_family")]
        models[str(path.relative_to(manifests))] = {
            "size": sum(sizes([*layers, configuration])),
            "families": [str(family) for family in families if family],
            "is_remote": bool(about.get("remote_host")),
        }
    return models


def sizes(layers: list[Any]) -> Iterator[int]:
    """The bytes of each layer."""
    for layer in layers:
        size = layer.get("size") if isinstance(layer, dict) else 0
        yield size if isinstance(size, int) else 0


def json_of(path: Path) -> dict[str, Any]:
    """The object in a small file; empty where there is none."""
    try:
        if path.stat().st_size > LARGEST:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def place_of(folder: str, other: str) -> dict[str, Any]:
    """What a user who takes a folder over must know.

    ``closed``: the first folder on the way that not everybody may enter; ``mount``: where its
    filesystem is mounted; ``is_beside``: whether ``other`` is on the same one, so that hard links
    can be made there.
    """
    path = Path(folder)
    way = [*reversed(path.parents), path]
    try:
        is_beside = path.stat().st_dev == Path(other).stat().st_dev
    except OSError:
        is_beside = False
    return {
        "closed": next((str(part) for part in way if not enterable(part)), ""),
        "mount": next((str(part) for part in reversed(way) if os.path.ismount(part)), "/"),
        "is_beside": is_beside,
    }


def enterable(folder: Path) -> bool:
    """Whether everybody may enter a folder."""
    try:
        return bool(folder.stat().st_mode & stat.S_IXOTH)
    except OSError:
        return False
