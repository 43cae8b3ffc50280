"""The models that a host's Ollama has, as the look sees them on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmrack.components.engine import ModelSeen
from llmrack.resources.look import Part, Seen

_TAG = "model"


def models_part(folder: str) -> Part:
    """What the look asks about a models directory."""
    return Part(_TAG, "ollama/look-models.sh", _read, (folder,))


def seen_models(seen: Seen) -> Mapping[str, ModelSeen]:
    """The models that were seen, by their names with tags; empty if the look did not ask."""
    models: Mapping[str, ModelSeen] = seen.parts.get(_TAG, {})
    return models


def _read(lines: list[list[str]]) -> Mapping[str, ModelSeen]:
    models: dict[str, ModelSeen] = {}
    for kind, path, *fields in lines:
        name = model_name(path)
        match kind, fields:
            case "digest", [digest]:
                models[name] = ModelSeen(digest)
            case "size", [size]:
                models[name] = replace(models[name], size=int(size))
            case "damage", [digest, size]:
                damaged = (*models[name].damaged, (digest, int(size)))
                models[name] = replace(models[name], damaged=damaged)
    return models


def model_name(path: str) -> str:
    """A model's name from its manifest's path below ``manifests/``.

    ``registry.ollama.ai/library/llama3.2/1b`` is ``llama3.2:1b`` (ollama/ollama
    types/model/name.go).
    """
    host, namespace, model, tag = path.split("/")
    if host != "registry.ollama.ai":
        return f"{host}/{namespace}/{model}:{tag}"
    return f"{model}:{tag}" if namespace == "library" else f"{namespace}/{model}:{tag}"
