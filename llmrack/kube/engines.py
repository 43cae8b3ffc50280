"""The engines that pods can run: the one place that lists them."""

from __future__ import annotations

from llmrack.kube.engine import PodEngine
from llmrack.kube.ollama.engine import OllamaPods
from llmrack.kube.settings import Engine

_OLLAMA = OllamaPods()


def engine_of(declared: Engine) -> PodEngine:
    """What runs in the pods of a declared engine."""
    del declared
    return _OLLAMA
