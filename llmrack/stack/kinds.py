"""The kinds of answer; each model gives one."""

from __future__ import annotations

from typing import Literal

from llmrack.stack.models import Model

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


def kind_of(model: Model) -> Kind:
    """The kind of a model's answers: the one that its capabilities name, or else chat."""
    return next((kind for kind in MODES if kind != "chat" and kind in model.capabilities), "chat")
