"""Transcriptions in the form that was asked for: text, SRT and WebVTT are no JSON.

LiteLLM puts every one into JSON (seen with 1.106.12). OpenAI's SDK then takes that for the text.
"""

from __future__ import annotations

import json

from .answer_rewriting import rewriting
from .requests.body import App, Message

FORMS = ("text", "srt", "vtt")
_PATH = "/audio/transcriptions"
# Says in an answer's head that it is to be a text; routing.callback gives it, no client gets it.
MARK = "x-llmrack-plain-text"
_REPLACED = (MARK.encode(), b"content-type")


def as_asked(app: App) -> App:
    """``app`` (ASGI), with marked transcriptions as text."""
    return rewriting(app, _PATH, _is_marked, _as_text)


def _is_marked(start: Message) -> bool:
    return any(name.lower() == MARK.encode() for name, _ in start["headers"])


def _as_text(start: Message, body: bytes) -> tuple[Message, bytes]:
    kept = [header for header in start["headers"] if header[0].lower() not in _REPLACED]
    headers = [*kept, (b"content-type", b"text/plain; charset=utf-8")]
    return {**start, "headers": headers}, str(json.loads(body).get("text") or "").encode()
