"""Requests for transcriptions, speech, ranks and images: what is wrong in them."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.shipped.gateway.requests import media_types as media
from llmrack.shipped.gateway.requests import types

SPOKEN = {"input": "Hello.", "voice": "alloy"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/audio/speech", {**SPOKEN, "response_format": "mp3"}),
        ("/v1/images/generations", {"prompt": "A cat.", "response_format": "b64_json", "n": 2}),
        ("/v1/rerank", {"query": "a", "documents": ["b", {"text": "c"}]}),
        ("/rerank", {"query": "a", "documents": ["b"], "top_n": 1}),
        ("/v1/chat/completions", {"response_format": {"type": "text"}}),
    ],
)
def test_a_right_request_passes(path: str, body: dict[str, Any]) -> None:
    assert types.mistake(path, body) is None


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v1/audio/speech", {**SPOKEN, "input": 1}, "input must be a text, and not empty"),
        ("/v1/audio/speech", {"input": "a"}, "voice must be a text, and not empty; it is null"),
        ("/v1/images/generations", {"prompt": []}, "prompt must be a text"),
        ("/v1/images/generations", {"prompt": "a", "n": 0}, "n must be a whole number"),
        ("/v1/rerank", {"query": "a"}, "documents must be a list of texts, and not empty"),
        ("/v1/rerank", {"query": "a", "documents": [1]}, "documents must be a list of texts or"),
        ("/v1/rerank", {"documents": ["a"]}, "query must be a text"),
        ("/v1/audio/transcriptions", {"model": "whisper"}, "audio is sent in a form"),
        ("/v1/chat/completions", {"response_format": "mp3"}, "response_format must be an object"),
    ],
)
def test_a_mistake_is_named(path: str, body: dict[str, Any], reason: str) -> None:
    assert types.mistake(path, body).startswith(reason)


def test_a_form_has_a_model_and_a_file() -> None:
    path = "/v1/audio/transcriptions"
    assert media.form_mistake(path, {"model": "whisper", "file": object()}) is None
    assert media.form_mistake(path, {"model": "whisper"}).startswith("file is missing")
    assert media.form_mistake(path, {"model": "whisper", "file": "a"}).startswith("file is missing")
    assert media.form_mistake(path, {"model": object()}) == "model must be a text; it is a file"
    assert media.form_mistake("/v1/images/edits", {"model": "pictures"}) is None
