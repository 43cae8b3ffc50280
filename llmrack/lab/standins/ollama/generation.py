"""One canned answer in pieces: the chunks of a stream, or all of them in one object."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .model import timestamp
from .types import JsonObject


@dataclass(frozen=True)
class Generation:
    """What is to be said.

    Attributes:
        name: the model as the request names it.
        options: ``num_predict`` and ``stop`` limit the tokens.
        prompt_tokens: length of the prompt.
        tokens: the text.
        calls: the tools that are called, before the text.
        shape: wraps a piece of text as chat or generate does.
        started: when the request came, by ``time.perf_counter_ns``.
        token_interval: gives the seconds from one token of a model to the next.
    """

    name: str
    options: JsonObject
    prompt_tokens: int
    tokens: list[str]
    calls: list[JsonObject]
    shape: Callable[[str], JsonObject]
    started: int
    token_interval: Callable[[str], float]

    def chunks(self) -> Iterator[JsonObject]:
        """The chunks of the answer; the last one has the counts, durations in nanoseconds."""
        begun = time.perf_counter_ns()
        tokens, reason = limit(self.tokens, self.options)
        if self.calls:
            message = {**self.shape("")["message"], "tool_calls": self.calls}
            yield _chunk(self.name, {"message": message})
        for token in tokens:
            time.sleep(self.token_interval(self.name))
            yield _chunk(self.name, self.shape(token))
        ended = time.perf_counter_ns()
        yield {
            **final(self.name, self.shape(""), reason),
            "total_duration": ended - self.started,
            "load_duration": max(1, begun - self.started),
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": 1_000_000,
            "eval_count": max(1, len(tokens)),
            "eval_duration": ended - begun,
        }


def limit(tokens: list[str], options: JsonObject) -> tuple[list[str], str]:
    """Cut tokens at a ``stop`` text and at ``num_predict``; returns them and the done_reason."""
    stops = options.get("stop") or []
    text = "".join(tokens)
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    kept: list[str] = []
    remaining = len(text)
    for token in tokens:
        if remaining <= 0:
            break
        kept.append(token[:remaining])
        remaining -= len(token)
    most = int(options.get("num_predict") or -1)
    if 0 < most < len(kept):
        return kept[:most], "length"
    return kept, "stop"


def _chunk(name: str, content: JsonObject) -> JsonObject:
    return {"model": name, "created_at": timestamp(time.time()), **content, "done": False}


def final(name: str, content: JsonObject, reason: str) -> JsonObject:
    """The last chunk, without counts."""
    return {**_chunk(name, content), "done": True, "done_reason": reason}


def collect_chat(chunks: Iterator[JsonObject]) -> JsonObject:
    """A chat's chunks as one answer."""
    received = list(chunks)
    message: JsonObject = {
        "role": "assistant",
        "content": "".join(chunk["message"]["content"] for chunk in received),
    }
    calls = [call for chunk in received for call in chunk["message"].get("tool_calls", [])]
    if calls:
        message["tool_calls"] = calls
    return {**received[-1], "message": message}


def collect_generate(chunks: Iterator[JsonObject]) -> JsonObject:
    """The chunks of generate as one answer."""
    received = list(chunks)
    return {**received[-1], "response": "".join(chunk["response"] for chunk in received)}
