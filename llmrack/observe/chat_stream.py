"""A streamed chat as it arrives: OpenAI's events, or Ollama's lines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from llmrack.verify.exchange import dig

# Is called with the answer, piece by piece.
Tell = Callable[[str], None]


class Broken(Exception):
    """A stream that broke off.

    + status: the error's HTTP status; 500 if it has none
    + words: the server's message
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass
class Counts:
    """The figures of a stream.

    + first_token: seconds until the first text or thought; None without any
    + input, output: tokens; None if the server does not count them
    """

    first_token: float | None = None
    input: int | None = None
    output: int | None = None


def read(lines: Iterable[str], tell: Tell, began: float) -> Counts:
    """Read a stream to its end. Raises Broken.

    + lines: of server-sent events with OpenAI's chunks, or JSON of Ollama's ``/api/chat``
    + tell: is called with the text, piece by piece
    + began: ``time.perf_counter`` at the request
    """
    counts, ended = Counts(), False
    for line in lines:
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            ended = True
            break
        if not data.startswith("{"):
            # An event's other fields, or nothing.
            continue
        try:
            event = json.loads(data)
        except ValueError:
            break
        if error := dig(event, "error"):
            code = str(dig(error, "code") or "")
            status = int(code) if code.isdecimal() else 500
            raise Broken(status, str(dig(error, "message") or error))
        delta = dig(event, "choices", 0, "delta") or dig(event, "message")
        content = dig(delta, "content")
        thought = dig(delta, "reasoning_content") or dig(delta, "thinking")
        if (content or thought) and counts.first_token is None:
            counts.first_token = time.perf_counter() - began
        if content:
            tell(printable(str(content)))
        usage = dig(event, "usage")
        counts.input = (
            dig(usage, "prompt_tokens") or dig(event, "prompt_eval_count") or counts.input
        )
        counts.output = dig(usage, "completion_tokens") or dig(event, "eval_count") or counts.output
        ended = ended or dig(event, "done") is True
    if not ended:
        raise Broken(500, "the stream ended in the middle")
    return counts


def printable(text: str) -> str:
    """``text`` without characters that could control a terminal."""
    return "".join(char for char in text if char.isprintable() or char in "\n\t")
