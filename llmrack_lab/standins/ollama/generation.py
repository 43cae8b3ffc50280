"""One canned answer in pieces: the chunks of a stream, or all of them in one object."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .logprobs import logprobs
from .model import timestamp
from .options import most_tokens
from .types import JsonObject

Shape = Callable[[str, str], JsonObject]
"""Wraps a piece of text and a piece of thinking as chat or generate does."""


@dataclass(frozen=True)
class Pace:
    """How a model answers at present.

    Attributes:
        token_interval: gives the seconds from one token to the next.
        endless: whether it goes on until it is cut off.
    """

    token_interval: Callable[[], float]
    endless: bool = False


@dataclass(frozen=True)
class Generation:
    """What is to be said.

    Attributes:
        name: the model as the request names it.
        options: ``num_predict``, ``num_ctx`` and ``stop`` limit the tokens.
        prompt_tokens: length of the prompt.
        thinking: what is thought before the text.
        tokens: the text.
        calls: the tools that are called, instead of a text.
        shape: wraps what is said.
        alternatives: how many are given to each token, with probabilities; None: neither.
        started: when the request came, by ``time.perf_counter_ns``.
        pace: how fast, and whether it ends.
    """

    name: str
    options: JsonObject
    prompt_tokens: int
    thinking: list[str]
    tokens: list[str]
    calls: list[JsonObject]
    shape: Shape
    alternatives: int | None
    started: int
    pace: Pace

    def chunks(self) -> Iterator[JsonObject]:
        """The chunks of the answer; the last one has the counts, durations in nanoseconds."""
        begun = time.perf_counter_ns()
        tokens, reason = self._spoken()
        count = 0
        for count, token in enumerate(tokens, 1):
            time.sleep(self.pace.token_interval())
            thought = count <= len(self.thinking)
            content = self.shape("", token) if thought else self.shape(token, "")
            if self.alternatives is not None:
                content["logprobs"] = logprobs(token, self.alternatives)
            yield _chunk(self.name, content)
        if self.calls and reason == "stop":
            message = {**self.shape("", "")["message"], "tool_calls": self.calls}
            yield _chunk(self.name, {"message": message})
        ended = time.perf_counter_ns()
        yield {
            **final(self.name, self.shape("", ""), reason),
            "total_duration": ended - self.started,
            "load_duration": max(1, begun - self.started),
            "prompt_eval_count": self.prompt_tokens,
            "prompt_eval_duration": 1_000_000,
            "eval_count": max(1, count),
            "eval_duration": ended - begun,
        }

    def _spoken(self) -> tuple[Iterable[str], str]:
        """The tokens, and the done_reason."""
        if self.pace.endless and not self.calls:
            tokens = itertools.chain(self.thinking, itertools.cycle(self.tokens))
            return itertools.islice(tokens, most_tokens(self.options)), "length"
        return limit([*self.thinking, *self.tokens], self.options)


def limit(tokens: list[str], options: JsonObject) -> tuple[list[str], str]:
    """Cut tokens at a ``stop`` text and at ``num_predict``; returns them and the done_reason."""
    text = "".join(tokens)
    for stop in options.get("stop") or []:
        # llama-server takes no notice of an empty one.
        text = text.partition(stop)[0] if stop else text
    kept: list[str] = []
    remaining = len(text)
    for token in tokens:
        if remaining <= 0:
            break
        kept.append(token[:remaining])
        remaining -= len(token)
    most = most_tokens(options)
    if most < len(kept):
        return kept[:most], "length"
    return kept, "stop"


def _chunk(name: str, content: JsonObject) -> JsonObject:
    return {"model": name, "created_at": timestamp(time.time()), **content, "done": False}


def final(name: str, content: JsonObject, reason: str) -> JsonObject:
    """The last chunk, without counts."""
    return {**_chunk(name, content), "done": True, "done_reason": reason}


@dataclass(frozen=True)
class Whole:
    """An answer that is sent in one piece.

    Attributes:
        chunks: its chunks.
        collect: makes one object of them.
    """

    chunks: Iterator[JsonObject]
    collect: Callable[[Iterator[JsonObject]], JsonObject]

    def then(self, convert: Callable[[JsonObject], JsonObject]) -> Whole:
        """The same, in another form."""
        return Whole(self.chunks, lambda chunks: convert(self.collect(chunks)))


def collect_chat(chunks: Iterator[JsonObject]) -> JsonObject:
    """A chat's chunks as one answer."""
    received = list(chunks)
    messages = [chunk["message"] for chunk in received]
    message: JsonObject = {
        "role": "assistant",
        "content": "".join(message["content"] for message in messages),
    }
    if thinking := "".join(message.get("thinking", "") for message in messages):
        message["thinking"] = thinking
    if calls := [call for message in messages for call in message.get("tool_calls", [])]:
        message["tool_calls"] = calls
    return {**received[-1], "message": message, **_logprobs(received)}


def collect_generate(chunks: Iterator[JsonObject]) -> JsonObject:
    """The chunks of generate as one answer."""
    received = list(chunks)
    answer = {**received[-1], "response": "".join(chunk["response"] for chunk in received)}
    if thinking := "".join(chunk.get("thinking", "") for chunk in received):
        answer["thinking"] = thinking
    return {**answer, **_logprobs(received)}


def _logprobs(chunks: list[JsonObject]) -> JsonObject:
    entries = [entry for chunk in chunks for entry in chunk.get("logprobs", [])]
    return {"logprobs": entries} if entries else {}
