"""The kinds of answer that models give: each model gives one."""

from __future__ import annotations

from typing import Literal

from llmrack.stack.models import Model
from llmrack.stack.providers import OpenAICompatibleProvider, Provider, VllmProvider

Kind = Literal["chat", "embedding", "transcription", "speech", "rerank", "image"]

# Each kind, and LiteLLM's word for it (``mode`` in its model_prices_and_context_window.json).
MODES: dict[Kind, str] = {
    "chat": "chat",
    "embedding": "embedding",
    "transcription": "audio_transcription",
    "speech": "audio_speech",
    "rerank": "rerank",
    "image": "image_generation",
}
# What Ollama answers (docs/openapi.yaml of ollama/ollama), and what a vLLM server does
# (docs/serving/openai_compatible_server.md of vllm-project/vllm).
_OF_OLLAMA: tuple[Kind, ...] = ("chat", "embedding")
_OF_VLLM: tuple[Kind, ...] = ("chat", "embedding", "transcription", "rerank")


def kind_of(model: Model) -> Kind:
    """The kind of a model's answers: what its capabilities name beside those of a chat."""
    return next((kind for kind in MODES if kind != "chat" and kind in model.capabilities), "chat")


def kinds_at(provider: Provider) -> tuple[Kind, ...]:
    """The kinds that a provider can answer."""
    if isinstance(provider, OpenAICompatibleProvider):
        return tuple(MODES)
    return _OF_VLLM if isinstance(provider, VllmProvider) else _OF_OLLAMA
