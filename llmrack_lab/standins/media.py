"""OpenAI's form of transcriptions, speech and images, and the ranks of documents.

Shapes after OpenAI's API reference (https://platform.openai.com/docs/api-reference) and, of ranks,
after vLLM's (https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html).
"""

from __future__ import annotations

import base64
import io
import struct
import time
import uuid
import wave
import zlib
from collections.abc import Iterator

from llmrack_lab.standins.answers import JSON, Model, Prompt
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.provider import Provider, Refusal

_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
# Sizes that each family of OpenAI's image models has.
_SIZES = {
    "dall-e-2": ("256x256", "512x512", "1024x1024"),
    "dall-e-3": ("1024x1024", "1792x1024", "1024x1792"),
    "gpt-image": ("auto", "1024x1024", "1536x1024", "1024x1536"),
}


def transcription(provider: Provider, model: Model, request: Request) -> Reply:
    """Answer `POST /v1/audio/transcriptions`: who says so, and how long the audio is."""
    body, audio = request.body or {}, request.files.get("file")
    if not audio:
        raise Refusal(400, "file: a file is needed")
    seconds = _seconds(audio)
    length = f"{len(audio)} bytes" if seconds is None else f"{seconds:g} s"
    text = f"[{provider.name} {model.name}] It heard {length} of audio."
    wanted = body.get("response_format", "json")
    if wanted == "json":
        return Reply({"text": text}, tokens=1)
    end = seconds or 0.0
    if wanted == "verbose_json":
        segment = {"id": 0, "start": 0.0, "end": end, "text": text}
        more = {"task": "transcribe", "language": "english", "duration": end}
        return Reply({**more, "text": text, "segments": [segment]}, tokens=1)
    if wanted not in ("text", "srt", "vtt"):
        raise Refusal(400, f"response_format: {wanted!r} is none")
    forms = {
        "text": f"{text}\n",
        "srt": f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n\n",
        "vtt": f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{text}\n\n",
    }
    return Reply(forms[wanted], tokens=1)


def speech(provider: Provider, model: Model, request: Request) -> Stream:
    """Answer `POST /v1/audio/speech`: bytes that say who made them, piece by piece."""
    body = request.body or {}
    wanted = body.get("response_format", "mp3")
    if wanted not in _TYPES:
        raise Refusal(400, f"response_format: {wanted!r} is none")
    if not body.get("input"):
        raise Refusal(400, "input: a text is needed")
    answer = provider.say(model, Prompt(str(body["input"])))

    def pieces() -> Iterator[bytes]:
        yield b"ID3"
        for word in answer.words:
            yield word.encode()

    return Stream(_TYPES[wanted], pieces())


def images(model: Model, request: Request) -> Reply:
    """Answer `POST /v1/images/generations`."""
    body = request.body or {}
    if not body.get("prompt"):
        raise Refusal(400, "Missing required parameter: 'prompt'.")
    family = next((prefix for prefix in _SIZES if model.name.startswith(prefix)), None)
    size = body.get("size")
    if family and size and size not in _SIZES[family]:
        raise Refusal(400, f"Invalid value: '{size}'. Supported: {', '.join(_SIZES[family])}.")
    if family == "gpt-image" and "response_format" in body:
        raise Refusal(400, "Unknown parameter: 'response_format'.")
    image = base64.b64encode(png(zlib.crc32(body["prompt"].encode()) & 255)).decode()
    data: list[JSON] = [{"b64_json": image} for _ in range(int(body.get("n") or 1))]
    return Reply({"created": int(time.time()), "data": data}, tokens=1)


def rerank(model: Model, request: Request) -> Reply:
    """Answer `POST /v1/rerank`: the more words of the query, the more relevant."""
    body = request.body or {}
    query, documents = body.get("query"), body.get("documents")
    if not isinstance(query, str) or not isinstance(documents, list) or not documents:
        raise Refusal(400, "query and documents are needed")
    texts = [
        str(document.get("text")) if isinstance(document, dict) else str(document)
        for document in documents
    ]
    words = set(query.lower().split())
    scored = [
        (len(words & set(text.lower().split())) / max(1, len(words)), index)
        for index, text in enumerate(texts)
    ]
    best = sorted(scored, key=lambda pair: (-pair[0], pair[1]))[: body.get("top_n") or None]
    results = [
        {"index": index, "document": {"text": texts[index]}, "relevance_score": score}
        for score, index in best
    ]
    tokens = sum(len(text.split()) for text in (query, *texts))
    head = {"id": f"rerank-{uuid.uuid4().hex}", "model": model.name}
    return Reply({**head, "usage": {"total_tokens": tokens}, "results": results}, tokens=1)


def png(grey: int) -> bytes:
    """An image of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(bytes([0, grey]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def _seconds(audio: bytes) -> float | None:
    """How long a WAV is; None for another format."""
    try:
        with wave.open(io.BytesIO(audio)) as file:
            frames: int = file.getnframes()
            rate: int = file.getframerate()
    except (wave.Error, EOFError):
        return None
    return round(frames / rate, 3)
