"""Transcriptions in the form that was asked for: text, SRT and WebVTT are no JSON.

LiteLLM puts every one into JSON (seen with 1.106.2), and OpenAI's SDK then takes that for the text.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from request_body import App, Message, Receive, Send

FORMS = ("text", "srt", "vtt")
_PATH = "/audio/transcriptions"
# Says in an answer's head that it is to be a text; routing.py gives it, no client gets it.
MARK = "x-llmrack-plain-text"
_REPLACED = (MARK.encode(), b"content-length", b"content-type")


def as_asked(app: App) -> App:
    """``app`` (ASGI), with marked transcriptions as text."""

    async def behind(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not str(scope["path"]).endswith(_PATH):
            await app(scope, receive, send)
            return
        held: list[Message] = []

        async def rewritten(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_marked(message):
                held.append(message)
            elif not held:
                await send(message)
            else:
                held.append(message)
                if not message.get("more_body"):
                    for each in _rewritten(held):
                        await send(each)

        await app(scope, receive, rewritten)

    return behind


def _is_marked(start: Message) -> bool:
    return any(name.lower() == MARK.encode() for name, _ in start["headers"])


def _rewritten(held: list[Message]) -> list[Message]:
    start, body = held[0], b"".join(each.get("body", b"") for each in held[1:])
    text = str(json.loads(body).get("text") or "").encode()
    kept = [each for each in start["headers"] if each[0].lower() not in _REPLACED]
    kept.append((b"content-type", b"text/plain; charset=utf-8"))
    kept.append((b"content-length", b"%d" % len(text)))
    return [start | {"headers": kept}, {"type": "http.response.body", "body": text}]
