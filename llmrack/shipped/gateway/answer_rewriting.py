"""Collects some answers until they are complete, and sends them in another form."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from .requests.body import App, Message, Receive, Send

# Takes the message that begins an answer and its whole body, and returns new ones; None: no change.
Form = Callable[[Message, bytes], tuple[Message, bytes] | None]


def rewriting(
    app: App, paths: str | tuple[str, ...], applies: Callable[[Message], bool], form: Form
) -> App:
    """``app`` (ASGI), with some answers in another form.

    + paths: the ends of the paths whose answers may be rewritten
    + applies: says from the message that begins an answer whether it is rewritten
    + form: rewrites an answer
    """

    async def behind(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not str(scope["path"]).endswith(paths):
            await app(scope, receive, send)
            return
        held: list[Message] = []

        async def rewritten(message: Message) -> None:
            begins = message["type"] == "http.response.start"
            if not held and not (begins and applies(message)):
                await send(message)
                return
            held.append(message)
            if not begins and not message.get("more_body"):
                for answer in _messages(held, form):
                    await send(answer)

        await app(scope, receive, rewritten)

    return behind


def _messages(held: Sequence[Message], form: Form) -> Sequence[Message]:
    body = b"".join(message.get("body", b"") for message in held[1:])
    rewritten = form(held[0], body)
    if rewritten is None:
        return held
    start, body = rewritten
    kept = [message for message in start["headers"] if message[0].lower() != b"content-length"]
    headers = [*kept, (b"content-length", b"%d" % len(body))]
    return [{**start, "headers": headers}, {"type": "http.response.body", "body": body}]
