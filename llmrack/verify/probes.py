"""Proves each capability of a model by one request through a gateway.

A probe returns its measurement, or raises Failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from llmrack.secrets.value import Secret
from llmrack.stack.deployments import Deployment
from llmrack.verify.exchange import Answer, Bounds, Form, Request, ask, dig, parse
from llmrack.verify.explain import ELSEWHERE, explain, timed_out
from llmrack.verify.results import Failed

GATEWAY = "the gateway"
CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
# Enough for a model that thinks before it speaks, few enough for a slow one.
MAX_TOKENS = 256
COUNT = "Count from one to twenty in words."
# A name that no provider has.
NO_MODEL = "llmrack-no-such-model"
# Seconds; tokens within less time came in one piece, and have no rate.
SHORTEST = 0.001
# 64 x 64 pixels of plain red: some vision models refuse an image smaller than one of their patches.
RED_PNG = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAS0lEQVR42u3PQQkAAAgAsetfWiP4FgYrsKZeS0BAQE"
    "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEDgsqnc8OJg6Ln3AAAAAElFTkSuQmCC"
)
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The current weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city"}},
            "required": ["city"],
        },
    },
}


@dataclass(frozen=True)
class Target:
    """The model that a probe asks through a gateway.

    + model: a public name, or a deployment's id: LiteLLM takes either, and asks only the deployment
      with that id (seen with 1.106.12 for chat, stream and embeddings)
    + deployments: those that may answer; with a single one fallbacks are disabled
    + plain: bounds of a whole answer
    + stream: bounds of a streamed one
    + dimensions: declared length of vectors, if any
    """

    client: httpx.Client
    key: Secret
    model: str
    deployments: Sequence[Deployment]
    plain: Bounds
    stream: Bounds
    dimensions: int | None

    @property
    def whom(self) -> str:
        """The instances that may answer, for messages."""
        return " or ".join(dict.fromkeys(deployment.instance for deployment in self.deployments))


@dataclass(frozen=True)
class Measured:
    """The measurement of a passed probe: see Result for the fields."""

    instance: str
    latency: float
    first_token: float | None = None
    tokens_per_second: float | None = None


def bearer(key: Secret) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key.reveal()}"}


def chat(target: Target) -> Measured:
    """An answer with text, and with usage counts."""
    return _chat(target, COUNT)


def vision(target: Target) -> Measured:
    """An answer with text to a message with an image (it need not be right)."""
    text = {"type": "text", "text": "Which colour is this image? Answer in one word."}
    return _chat(target, [text, {"type": "image_url", "image_url": {"url": RED_PNG}}])


def stream(target: Target) -> Measured:
    """A streamed answer with text that ends with finish_reason, then [DONE]."""
    body = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": MAX_TOKENS}
    first = last = finish = None
    tokens = 0
    with post(target, CHAT, body | says(COUNT), target.stream) as (answer, instance):
        for line in answer.lines():
            if not line.startswith("data:"):
                continue
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                break
            event = parse(data, GATEWAY)
            if error := dig(event, "error"):
                raise Failed(f"the stream ends with an error: {_explained(target, error)}")
            if _text(dig(event, "choices", 0, "delta")):
                last = answer.elapsed
                first = first or last
            finish = dig(event, "choices", 0, "finish_reason") or finish
            tokens = dig(event, "usage", "completion_tokens") or tokens
        else:
            raise Failed(f"the stream breaks off without [DONE]; see the journal of {instance}")
        latency = answer.elapsed
    if not finish:
        raise Failed(f"the stream has no finish_reason; see the journal of {instance}")
    if first is None or last is None:
        raise Failed(f"the stream has no text; see whether {instance} serves a chat model")
    rate = (tokens - 1) / (last - first) if tokens > 1 and last - first > SHORTEST else None
    return Measured(instance, latency, first, rate)


def embedding(target: Target) -> Measured:
    """Vectors for two texts: of the declared length, not constant, and not the same."""
    body = {"input": ["a red apple", "the speed of light"]}
    data, instance, latency = ask_json(target, EMBEDDINGS, body)
    vectors = [dig(data, "data", index, "embedding") for index in range(2)]
    for vector in vectors:
        if not isinstance(vector, list) or not vector:
            raise Failed(f"the answer has no vector; see whether {instance} serves embeddings")
        if target.dimensions and len(vector) != target.dimensions:
            raise Failed(
                f"the vector has {len(vector)} dimensions, declared are {target.dimensions}; "
                f"correct models.{target.deployments[0].model}.dimensions or the model"
            )
        if len(set(map(str, vector))) == 1:
            raise Failed(f"the vector is constant; see the journal of {instance}")
    if vectors[0] == vectors[1]:
        raise Failed(f"two texts have the same vector; see the journal of {instance}")
    return Measured(instance, latency)


def tools(target: Target) -> Measured:
    """A call of the tool that was offered, with arguments that are JSON."""
    question = says("What is the weather in Paris now? Use the tool.")
    # Temperature 0: the call of the tool shall not depend on chance.
    body = {"tools": [WEATHER_TOOL], "temperature": 0, "max_tokens": 2 * MAX_TOKENS, **question}
    data, instance, latency = ask_json(target, CHAT, body)
    call = dig(data, "choices", 0, "message", "tool_calls", 0, "function")
    if dig(call, "name") != "get_weather":
        raise Failed(
            f"{instance} did not call the tool; if the model cannot, "
            f"take 'tools' out of models.{target.deployments[0].model}.capabilities"
        )
    arguments = parse(str(dig(call, "arguments")), f"the tool call of {instance}")
    if not isinstance(arguments, dict):
        raise Failed(f"the tool call of {instance} has no JSON object as arguments; mend its model")
    return Measured(instance, latency)


def thinking(target: Target) -> Measured:
    """An answer with a thought, or with a count of its tokens."""
    question = says("What is six times seven?")
    body = {"max_tokens": 4 * MAX_TOKENS, "reasoning_effort": "low", **question}
    data, instance, latency = ask_json(target, CHAT, body)
    thought = dig(data, "choices", 0, "message", "reasoning_content")
    if not thought and not dig(data, "usage", "completion_tokens_details", "reasoning_tokens"):
        raise Failed(
            f"{instance} did not think; if the model cannot, "
            f"take 'thinking' out of models.{target.deployments[0].model}.capabilities"
        )
    return Measured(instance, latency)


def _chat(target: Target, content: object) -> Measured:
    body = {"max_tokens": MAX_TOKENS, **says(content)}
    data, instance, latency = ask_json(target, CHAT, body)
    if not _text(dig(data, "choices", 0, "message")):
        raise Failed(f"the answer is empty; see the journal of {instance}")
    counts = [dig(data, "usage", name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(isinstance(count, int) and count > 0 for count in counts):
        raise Failed(f"the answer has no usage counts; see the journal of {instance}")
    return Measured(instance, latency, None, counts[1] / latency)


def says(content: object) -> dict[str, object]:
    """The messages of a chat's request."""
    return {"messages": [{"role": "user", "content": content}]}


def _text(message: object) -> str:
    """The text of a message (or its delta), or its thought: a short answer may have no text."""
    return str(dig(message, "content") or dig(message, "reasoning_content") or "").strip()


@contextmanager
def post(
    target: Target, path: str, body: Mapping[str, object] | Form, bounds: Bounds
) -> Iterator[tuple[Answer, str]]:
    """Ask, and check that a declared instance answers; yields the answer and that instance.

    Raises Failed.
    """
    with asked(target, path, body, bounds, alone=len(target.deployments) == 1) as answer:
        if answer.status != 200:
            message = message_of(answer.text())
            raise Failed(
                explain(answer.status, message, target.deployments),
                timed_out=timed_out(answer.status, message),
                status=answer.status,
            )
        yield answer, instance_of(answer.headers, target)


def ask_json(
    target: Target, path: str, body: Mapping[str, object] | Form
) -> tuple[Any, str, float]:
    """The JSON of a whole answer, the declared instance that gave it, and the seconds it took.

    Raises Failed.
    """
    with post(target, path, body, target.plain) as (answer, instance):
        return answer.json(), instance, answer.elapsed


def asked(
    target: Target, path: str, body: Mapping[str, object] | Form, bounds: Bounds, *, alone: bool
) -> AbstractContextManager[Answer]:
    """Ask without retries, which would hide a failure.

    + alone: also without fallbacks (LiteLLM counts another instance of a public name as one, too)
    """
    beside = {"model": target.model, "disable_fallbacks": alone, "num_retries": 0}
    whole = body.beside(beside) if isinstance(body, Form) else {**beside, **body}
    # A gateway may have a cache, whose answers prove nothing.
    request = Request(path, whole, bearer(target.key) | {"Cache-Control": "no-cache"})
    return ask(target.client, request, f"{GATEWAY}, asked for {target.whom},", bounds)


def message_of(text: str) -> str:
    """The message in the body of an OpenAI error, or else the whole body."""
    try:
        error = dig(parse(text, GATEWAY), "error")
    except Failed:
        return text
    return str(dig(error, "message") or error or text)


def _explained(target: Target, error: object) -> str:
    code = str(dig(error, "code") or "")
    status = int(code) if code.isdecimal() else 500
    return explain(status, str(dig(error, "message") or error), target.deployments)


def instance_of(headers: httpx.Headers, target: Target) -> str:
    """The instance that answered, by LiteLLM's headers; Failed if it is none of the declared ones.

    The model is added if the name that was asked for is not the model's own.
    """
    answered = headers.get("x-litellm-model-id", "")
    fallbacks = headers.get("x-litellm-attempted-fallbacks", "0")
    for deployment in target.deployments:
        if deployment.id == answered and (fallbacks == "0" or len(target.deployments) > 1):
            by_its_name = target.model in (deployment.model, deployment.id)
            instance = deployment.instance
            return instance if by_its_name else f"{instance}/{deployment.model}"
    wanted = " or ".join(deployment.id for deployment in target.deployments)
    raise Failed(
        f"{ELSEWHERE} {answered or 'nobody who says so'} after {fallbacks} fallbacks, "
        f"not by {wanted}; see the journal of the declared instance"
    )
