"""The gateway's own short request to a model that failed: is it well again?"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Any

# Of the silence: samples a second, and how many there are (a tenth of a second, OpenAI's least).
RATE, SAMPLES = 16_000, 1_600


@dataclass(frozen=True)
class Proof:
    """A request that an answer to proves.

    + call: LiteLLM's function for it
    + asked: its parameters
    + or_refused: whether a refusal as wrong proves it, too: it may lack what is asked by name
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


# By kind. There is none of images, which cost money each: there a sign of life has to do.
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
