"""A stand-in instance that costs next to nothing, so that what a gateway costs shows beside it.

``python -m bench.instance PORT`` answers chats on loopback at once, always with the same words, in
Ollama's form (``/api/chat``) and in OpenAI's (``/v1/chat/completions``), plain and streamed; any
other path gets ``{}``. The lab's stand-ins have a thread for each connection: with 256 of them the
slowest answers take a second, which would be ascribed to the gateways.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

WORDS = [f"word{number} " for number in range(20)]


def _ollama(text: str, **end: object) -> bytes:
    """A line of ``/api/chat``: https://github.com/ollama/ollama/blob/main/docs/api.md."""
    message = {"role": "assistant", "content": text}
    line = {"model": "chat", "created_at": "2026-01-01T00:00:00Z", "message": message}
    return json.dumps(line | {"done": bool(end)} | end).encode() + b"\n"


def _openai(kind: str, **choice: Any) -> bytes:  # noqa: ANN401  (JSON)
    """An object of ``/v1/chat/completions``: https://platform.openai.com/docs/api-reference/chat."""
    head = {"id": "chatcmpl-1", "object": kind, "created": 1_767_225_600, "model": "chat"}
    usage = {"prompt_tokens": 5, "completion_tokens": len(WORDS), "total_tokens": len(WORDS) + 5}
    return json.dumps(head | {"choices": [{"index": 0} | choice], "usage": usage}).encode()


def _event(reason: str | None = None, **delta: str) -> bytes:
    chunk = _openai("chat.completion.chunk", delta=delta, finish_reason=reason)
    return b"data: " + chunk + b"\n\n"


END = {"done_reason": "stop", "prompt_eval_count": 5, "eval_count": len(WORDS)}
MESSAGE = {"role": "assistant", "content": "".join(WORDS)}


def _whole(kind: str, body: bytes) -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


def _streamed(kind: str, pieces: Sequence[bytes]) -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return [head.encode(), *chunks, b"0\r\n\r\n"]


# By path, and whether it is streamed.
ANSWERS = {
    (b"/api/chat", False): _whole("application/json", _ollama("".join(WORDS), **END)),
    (b"/api/chat", True): _streamed(
        "application/x-ndjson", [*map(_ollama, WORDS), _ollama("", **END)]
    ),
    (b"/v1/chat/completions", False): _whole(
        "application/json", _openai("chat.completion", message=MESSAGE, finish_reason="stop")
    ),
    (b"/v1/chat/completions", True): _streamed(
        "text/event-stream",
        [*(_event(content=word) for word in WORDS), _event("stop"), b"data: [DONE]\n\n"],
    ),
}
ELSE = _whole("application/json", b"{}")


class Instance(asyncio.Protocol):
    """One connection: reads requests with a Content-Length, and answers them in turn."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with nothing read."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._read += data
        while (split := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:split]
            _, _, length = head.lower().partition(b"content-length:")
            end = split + 4 + int(length.split(b"\r\n")[0] or 0)
            if len(self._read) < end:
                return
            body, self._read = self._read[split + 4 : end], self._read[end:]
            path = head.split(b" ", 2)[1]
            # Ollama streams unless it is told not to, OpenAI's form does not unless told to.
            default = path == b"/api/chat"
            streamed = json.loads(body).get("stream", default) if body else default
            for piece in ANSWERS.get((path, streamed), ELSE):
                if self._transport.is_closing():
                    return
                self._transport.write(piece)


async def main(port: int) -> None:
    """Serve on loopback until the process is ended."""
    server = await asyncio.get_running_loop().create_server(
        Instance, "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
