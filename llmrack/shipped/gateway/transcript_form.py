"""Transcriptions as plain text, SRT and WebVTT.

LiteLLM puts them into JSON (seen with 1.106.12), which OpenAI's SDK takes for the text.
"""

from __future__ import annotations

import json

from .answer_rewriting import rewriting
from .requests.body import App, Message

FORMS = ("text", "srt", "vtt")
_PATH = "/audio/transcriptions"
# This header marks an answer that shall be text; routing.callback sets it, no client receives it.
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
