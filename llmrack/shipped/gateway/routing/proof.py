"""The gateway's own short requests, which show whether a model is well after a failure."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Any

# Samples a second of the silence, and their number (a tenth of a second, OpenAI's minimum).
RATE, SAMPLES = 16_000, 1_600


@dataclass(frozen=True)
class Proof:
    """A request whose answer shows that a model is well.

    + call: LiteLLM's function for it
    + asked: its parameters
    + or_refused: whether a refusal shows it, too: the model may lack the voice that is asked for
    """

    call: str
    asked: dict[str, Any]
    or_refused: bool = False


def silence() -> bytes:
    """A WAV of a tenth of a second."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(2 * SAMPLES))
    return made.getvalue()


# By kind. Images have none, since each costs money: a sign of life must do.
PROOFS = {
    "chat": Proof(
        "acompletion",
        {
            "messages": [{"role": "user", "content": "Say ok."}],
            "max_tokens": 1,
            "stream": False,
        },
    ),
    "embedding": Proof("aembedding", {"input": ["ok"]}),
    "transcription": Proof("atranscription", {"file": ("ok.wav", silence())}, True),
    "speech": Proof("aspeech", {"input": "ok", "voice": "alloy"}, True),
    "rerank": Proof("arerank", {"query": "ok", "documents": ["ok", "no"]}, True),
}
