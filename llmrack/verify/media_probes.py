"""Proves transcriptions, speech, ranks and images by one small request each through a gateway.

A probe returns its measurement, or raises Failed.
"""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
from collections.abc import Mapping

from llmrack.verify.exchange import Form, dig
from llmrack.verify.probes import Measured, Target, ask_json, post
from llmrack.verify.results import Failed, one_line

TRANSCRIPTIONS, SPEECH = "/v1/audio/transcriptions", "/v1/audio/speech"
RERANK, IMAGES = "/v1/rerank", "/v1/images/generations"
QUERY = "the speed of light"
DOCUMENTS = ["A red apple lies on the table.", "Light travels 299792 kilometres in a second."]
# OpenAI's first voice: the one that other servers most likely know.
VOICE = "alloy"
DRAWN = {"prompt": "A red circle on white.", "n": 1}
# The smallest that OpenAI's API has. Not every model has it.
SMALLEST = "256x256"
# Samples a second of the tone, and its pitch in hertz.
RATE, PITCH = 16_000, 440


def tone() -> bytes:
    """A WAV of one second of a tone."""
    samples = (int(8000 * math.sin(2 * math.pi * PITCH * n / RATE)) for n in range(RATE))
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{RATE}h", *samples))
    return made.getvalue()


def audio() -> Form:
    """The form with audio to be transcribed."""
    return Form({}, "file", "tone.wav", tone())


def transcription(target: Target) -> Measured:
    """A text for one second of a tone, which has no words: the text may be empty."""
    data, instance, latency = ask_json(target, TRANSCRIPTIONS, audio())
    if not isinstance(dig(data, "text"), str):
        raise Failed(f"the answer has no text; see whether {instance} transcribes")
    return Measured(instance, latency)


def speech(target: Target) -> Measured:
    """Audio for one word: bytes, of a content type that says so."""
    body = {"input": "ok", "voice": VOICE}
    with post(target, SPEECH, body, target.plain) as (answer, instance):
        kind = answer.headers.get("content-type", "")
        sent = answer.content()
        latency = answer.elapsed
    if not kind.startswith("audio/") or not sent:
        raise Failed(
            f"the answer is no audio but {len(sent)} bytes of {one_line(kind) or 'no type'}; "
            f"see whether {instance} speaks"
        )
    return Measured(instance, latency)


def rerank(target: Target) -> Measured:
    """A rank for each of two documents."""
    body = {"query": QUERY, "documents": DOCUMENTS}
    data, instance, latency = ask_json(target, RERANK, body)
    results = dig(data, "results")
    ranks = results if isinstance(results, list) else []
    scored = [rank for rank in ranks if isinstance(dig(rank, "relevance_score"), int | float)]
    if {dig(rank, "index") for rank in scored} != set(range(len(DOCUMENTS))):
        raise Failed(f"not every document has a rank; see whether {instance} ranks documents")
    return Measured(instance, latency)


def image(target: Target) -> Measured:
    """One image: of the smallest size, or of the model's own where it refuses that one."""
    try:
        return _image(target, {"size": SMALLEST})
    except Failed as failed:
        # A refusal costs nothing.
        if failed.status != 400:
            raise
        return _image(target, {})


def _image(target: Target, size: Mapping[str, object]) -> Measured:
    data, instance, latency = ask_json(target, IMAGES, {**DRAWN, **size})
    drawing = dig(data, "data", 0)
    if not (_is_base64(dig(drawing, "b64_json")) or dig(drawing, "url")):
        raise Failed(f"the answer has no image; see whether {instance} makes images")
    return Measured(instance, latency)


def _is_base64(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False
