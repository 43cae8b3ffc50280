"""Errors at Anthropic's paths in Anthropic's form.

LiteLLM words there what a model refuses; what it refuses before (a key, a limit, a request that is
wrong) it words as OpenAI does (seen with 1.106.2), and Anthropic's SDK then has no message to show.
Form: https://platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from request_body import App, Message, Receive, Send

_PATHS = ("/messages", "/messages/count_tokens")
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def worded(app: App) -> App:
    """``app`` (ASGI), with errors as its clients know them."""

    async def behind(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not str(scope["path"]).endswith(_PATHS):
            await app(scope, receive, send)
            return
        held: list[Message] = []

        async def rewritten(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
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


def _rewritten(held: list[Message]) -> list[Message]:
    """An answer with an error, in Anthropic's form."""
    start, body = held[0], b"".join(each.get("body", b"") for each in held[1:])
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or (isinstance(answer, dict) and answer.get("type") == "error"):
        return held
    kind = _KINDS.get(start["status"], "api_error")
    text = {"type": "error", "error": {"type": kind, "message": str(error.get("message"))}}
    body = json.dumps(text).encode()
    kept = [each for each in start["headers"] if each[0].lower() != b"content-length"]
    headers = [*kept, (b"content-length", b"%d" % len(body))]
    return [start | {"headers": headers}, {"type": "http.response.body", "body": body}]
