"""Names of models as Ollama knows them."""

from __future__ import annotations


def normalised(name: str) -> str:
    """A model's full local name: ``gemma3`` means ``gemma3:latest``."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def without_cloud(name: str) -> str:
    """``name`` as ollama.com knows it.

    A local Ollama names cloud models ``m:tag-cloud`` or ``m:cloud``; ollama.com lists them
    without (ollama/ollama docs/cloud.mdx).
    """
    return name.removesuffix(":cloud").removesuffix("-cloud")
