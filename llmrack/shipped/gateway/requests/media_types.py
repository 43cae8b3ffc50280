"""The rules of ``types`` for a transcription, speech, ranks or an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .json_values import must_be


def form_mistake(path: str, fields: Mapping[str, Any]) -> str | None:
    """As ``types.mistake``, for a form, whose values are texts and files."""
    if not isinstance(fields.get("model", ""), str):
        return "model must be a text; it is a file"
    if path.endswith("/audio/transcriptions") and isinstance(fields.get("file"), str | None):
        return "file is missing: send the audio in it, with a name such as audio.wav"
    return None


def _transcription(_: Mapping[str, Any]) -> str:
    return "audio is sent in a form: send multipart/form-data, with the audio as file"


def _speech(body: Mapping[str, Any]) -> str | None:
    return _missing_text(body, "input") or _missing_text(body, "voice")


def _image(body: Mapping[str, Any]) -> str | None:
    return _missing_text(body, "prompt")


def _rerank(body: Mapping[str, Any]) -> str | None:
    documents = body.get("documents")
    if not documents or not isinstance(documents, list):
        return "documents must be a list of texts, and not empty"
    if not all(isinstance(document, str | dict) for document in documents):
        return "documents must be a list of texts or objects"
    return _missing_text(body, "query")


def _missing_text(body: Mapping[str, Any], name: str) -> str | None:
    given = body.get(name)
    if isinstance(given, str) and given:
        return None
    return must_be(name, "a text, and not empty", given)


OF_PATHS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "transcriptions": _transcription,
    "speech": _speech,
    "generations": _image,
    "rerank": _rerank,
}
