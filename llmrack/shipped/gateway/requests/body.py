"""Refuses requests larger than 32 MiB, and JSON that is no object.

LiteLLM takes any size and holds each request in memory as a whole. It answers JSON that is no
object with an internal error, before it calls any callback (seen with 1.106.12).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# The limit of Anthropic's API: some thousand pages, or some dozen pictures.
LIMIT_MIB = 32
LIMIT = LIMIT_MIB * 1024 * 1024
_TOO_LARGE = (
    413,
    f"the request is larger than {LIMIT_MIB} MiB, which is all that the gateway takes; send less "
    "at once",
)
_NO_OBJECT = (400, "the body must be a JSON object; send {...}")
# The first bytes of other JSON: a list, a text, a number, true, false, null.
_OTHERS = b'["-0123456789tfn'
_BLANKS = b" \t\r\n"


def limited(app: App) -> App:
    """``app`` (ASGI), which never sees the requests that are refused."""

    async def behind(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if int(headers.get(b"content-length", 0)) > LIMIT:
            await _refuse(send, *_TOO_LARGE)
            return
        is_form = b"form" in headers.get(b"content-type", b"")
        size, begun, answered = 0, is_form, False
        refused: tuple[int, str] | None = None

        async def checked() -> Message:
            nonlocal size, begun, refused
            message = await receive()
            body = message.get("body", b"")
            size += len(body)
            if not begun and (text := body.lstrip(_BLANKS)):
                begun = True
                if text[0] in _OTHERS:
                    refused = _NO_OBJECT
            if size > LIMIT:
                refused = _TOO_LARGE
            # The application stops as if the client had disconnected.
            return {"type": "http.disconnect"} if refused else message

        async def unless_refused(message: Message) -> None:
            nonlocal answered
            if not refused:
                answered = True
                await send(message)

        try:
            await app(scope, checked, unless_refused)
        except Exception:
            if not refused:
                raise
        # An answer that has begun cannot be replaced: the server cuts it off.
        if refused and not answered:
            await _refuse(send, *refused)

    return behind


async def _refuse(send: Send, status: int, reason: str) -> None:
    error = {"message": reason, "type": "invalid_request_error", "param": None, "code": str(status)}
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
