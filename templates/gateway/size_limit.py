"""A limit on the size of requests: LiteLLM takes any, and works on each as a whole, in memory."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# As Anthropic's API: some thousand pages, or some dozen pictures.
LIMIT_MIB = 32
LIMIT = LIMIT_MIB * 1024 * 1024


def limited(app: App) -> App:
    """``app`` (ASGI), but what is larger is answered 413, and no more of it is kept."""

    async def behind(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        size = int(dict(scope["headers"]).get(b"content-length", 0))
        if size > LIMIT:
            await _refuse(send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            # It ends with a client that is gone.
            return message if size <= LIMIT else {"type": "http.disconnect"}

        async def unless_refused(message: Message) -> None:
            if size <= LIMIT:
                await send(message)

        try:
            await app(scope, counted, unless_refused)
        except Exception:
            if size <= LIMIT:
                raise
        if size > LIMIT:
            await _refuse(send)

    return behind


async def _refuse(send: Send) -> None:
    error = {
        "message": f"the request is larger than {LIMIT_MIB} MiB, which is all that the gateway "
        "takes; send less at once",
        "type": "invalid_request_error",
        "param": None,
        "code": "413",
    }
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
