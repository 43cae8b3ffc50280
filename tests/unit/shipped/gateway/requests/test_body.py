"""What of a request a gateway takes at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from llmrack.shipped.gateway.requests import body as request_body

MIB = 1024 * 1024
# A JSON text of one MiB begins so; what follows does not matter here.
PIECE = b"{" + bytes(MIB - 1)


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads all of a request, and tells how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RuntimeError("the client is gone")
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def answer(
    pieces: list[bytes], length: int | None = None, kind: bytes = b"application/json"
) -> tuple[int, bytes, int]:
    """Status and body of the answer to a request that comes in pieces, and how many were read."""
    read, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        more = read < len(pieces)
        return {"type": "http.request", "body": pieces[read - 1], "more_body": more}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"content-type", kind)]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    scope = {"type": "http", "headers": headers}
    asyncio.run(request_body.limited(reading)(scope, receive, send))
    start, body = sent
    return start["status"], body["body"], read


def test_a_request_of_the_largest_size_is_passed_on() -> None:
    pieces = [PIECE] * 32
    assert answer(pieces, 32 * MIB) == (200, str(32 * MIB).encode(), 32)


def test_one_that_says_that_it_is_larger_is_refused_unread() -> None:
    status, body, read = answer([PIECE] * 33, 32 * MIB + 1)
    assert (status, read) == (413, 0)
    assert b"larger than 32 MiB" in body


def test_one_that_does_not_say_so_is_refused_when_it_is_too_much() -> None:
    status, body, read = answer([PIECE] * 40)
    assert (status, read) == (413, 33)
    assert b"larger than 32 MiB" in body


@pytest.mark.parametrize("text", [b"[1]", b' "a"', b"5", b"null", b"true"])
def test_json_that_is_no_object_is_refused(text: bytes) -> None:
    status, body, _ = answer([text])
    assert status == 400
    assert b"must be a JSON object" in body


def test_json_may_begin_in_a_later_piece() -> None:
    assert answer([b" ", b"", b"[1]"])[0] == 400
    assert answer([b" ", b"", b"{}"])[0] == 200


def test_a_form_may_begin_as_it_likes() -> None:
    assert answer([b"--boundary"], kind=b"multipart/form-data; boundary=boundary")[0] == 200


def test_an_error_of_the_application_stays_one() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(request_body.limited(broken)({"type": "http", "headers": []}, None, None))


@pytest.mark.parametrize("ends", [True, False], ids=["whole answer", "half an answer"])
def test_an_answer_that_has_begun_is_followed_by_no_other(ends: bool) -> None:
    """Two beginnings are an error of the protocol. The server cuts off what has no end."""
    start = {"type": "http.response.start", "status": 401, "headers": []}
    body = {"type": "http.response.body", "body": b"no", "more_body": not ends}
    sent: list[dict[str, Any]] = []

    async def answering(scope: Any, receive: Any, send: Any) -> None:
        await send(start)
        await send(body)
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"more"})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": PIECE, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(request_body.limited(answering)({"type": "http", "headers": []}, receive, send))
    assert sent == [start, body]
