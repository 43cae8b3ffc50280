"""A gateway that is honest, but for the lies it is given: for tests of its verification."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest import mock

import httpx

from llmrack.secrets.value import Secret
from llmrack.stack.deployments import Deployment
from llmrack.stack.schema import Stack
from llmrack.verify.gateway import GatewayAccess, prove_gateway
from llmrack.verify.results import Result

KEY = "sk-the-master-key"
STACK = Stack.model_validate(
    {
        "providers": {
            "local": {"kind": "ollama", "timeout": 100, "stream_timeout": 10},
            "cloud": {"kind": "ollama-cloud"},
        },
        "models": {
            "llama": {"provider": "local", "capabilities": ["chat", "vision", "tools"]},
            "embed": {"provider": "local", "capabilities": ["embedding"], "dimensions": 3},
            "gpt": {"provider": "cloud", "timeout": 20, "stream_timeout": 5},
            "any/*": {"provider": "cloud"},
        },
        "tiers": {"eco": ["llama", "gpt"]},
        "mixes": {"mixed": {"llama": 80, "gpt": 20}},
        "aliases": {"mini": "gpt"},
    }
)


def deployment(name: str, model: str, instance: str, secret: str | None = None) -> Deployment:
    provider = "cloud" if instance == "cloud" else "local"
    return Deployment(
        name, model, model, instance, f"http://{instance}", provider, f"x/{model}", secret
    )


DEPLOYMENTS = [
    deployment("llama", "llama", "box1"),
    deployment("llama", "llama", "box2"),
    deployment("embed", "embed", "box1"),
    deployment("gpt", "gpt", "cloud", "OLLAMA_API_KEY"),
    deployment("any/*", "any/*", "cloud", "OLLAMA_API_KEY"),
    *(
        deployment(name, model, instance)
        for name in ("eco", "mixed")
        for model, instance in (("llama", "box1"), ("llama", "box2"), ("gpt", "cloud"))
    ),
]
Body = dict[str, Any]
Lie = Callable[[Body], httpx.Response | None]


def error(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": message, "code": str(status)}})


def answered_by(asked: str, **headers: str) -> dict[str, str]:
    """Headers of an answer; a public name is answered by its first instance."""
    named = STACK.aliases.get(asked, asked)
    deployment = next(
        candidate for candidate in DEPLOYMENTS if named in (candidate.id, candidate.name)
    )
    return {
        "x-litellm-model-id": deployment.id,
        "x-litellm-attempted-fallbacks": "0",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }


def message(body: Body, usage: Body | None = None, **fields: Any) -> httpx.Response:
    answer = {"role": "assistant", "content": "one two three", **fields}
    counts = {"prompt_tokens": 5, "completion_tokens": 4} if usage is None else usage
    return httpx.Response(
        200,
        headers=answered_by(body["model"]),
        json={"choices": [{"message": answer, "finish_reason": "stop"}], "usage": counts},
    )


def tool_call(body: Body, name: str = "get_weather", arguments: str = "{}") -> httpx.Response:
    return message(body, tool_calls=[{"function": {"name": name, "arguments": arguments}}])


def delta(text: str | None = None, finish: str | None = None) -> Body:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


WHOLE = [
    delta("one"),
    delta(" two"),
    delta(finish="stop"),
    {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
]


def stream(body: Body, events: list[Body], end: str = "data: [DONE]\n\n") -> httpx.Response:
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    headers = {"content-type": "text/event-stream", **answered_by(body["model"])}
    return httpx.Response(200, headers=headers, content=text + end)


def vectors(body: Body, *values: list[float]) -> httpx.Response:
    data = [{"embedding": vector} for vector in values]
    return httpx.Response(200, headers=answered_by(body["model"]), json={"data": data})


def unknown_model(body: Body) -> httpx.Response:
    return error(404, "litellm.NotFoundError: OpenAIException - The model `x` does not exist.")


def kind(body: Body) -> str:
    """Which probe a request belongs to."""
    if body["model"].startswith("any/"):
        return "unknown"
    if "input" in body:
        return "embedding"
    if "response_format" in body:
        return "wrong"
    if "tools" in body:
        return "tools"
    if isinstance(body["messages"][0]["content"], list):
        return "vision"
    return "stream" if body.get("stream") else "chat"


HONEST: dict[str, Callable[[Body], httpx.Response]] = {
    "chat": message,
    "vision": message,
    "stream": lambda body: stream(body, WHOLE),
    "tools": lambda body: tool_call(body, arguments='{"city": "Paris"}'),
    "embedding": lambda body: vectors(body, [1, 2, 3], [3, 2, 1]),
    "unknown": unknown_model,
    "wrong": lambda body: error(400, "llama refuses this: invalid format"),
}


class Clock:
    """Stands in for the module time."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


class Gateway:
    """An honest gateway but for the lies it is given; remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.lies: dict[str, Callable[..., httpx.Response | None]] = {}
        # For a wildcard, LiteLLM lists names of its own beside it.
        self.models = [*STACK.names, "any/o3"]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if path in self.lies and (lie := self.lies[path](request)):
            return lie
        if path.startswith("/health/"):
            return httpx.Response(200, json="I'm alive!")
        key = request.headers.get("authorization")
        if key is None:
            return error(401, "Authentication Error, No api key passed in.")
        if key != f"Bearer {KEY}":
            return error(401, "there is no such key; ask for one")
        if path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": name} for name in self.models]})
        body = json.loads(request.content)
        probe = kind(body)
        if probe in self.lies and (lie := self.lies[probe](body)):
            return lie
        return HONEST[probe](body)

    def prove(self, progress: Callable[[str], None] = lambda line: None) -> list[Result]:
        """Time passes for the proof only where it waits."""
        with (
            mock.patch("llmrack.verify.gateway.time", Clock()),
            httpx.Client(transport=httpx.MockTransport(self), base_url="http://gw") as client,
        ):
            return prove_gateway(
                GatewayAccess(client, "box1", Secret(KEY), 10), STACK, DEPLOYMENTS, progress
            )

    def asked(self, *models: str) -> list[Body]:
        bodies = [json.loads(request.content) for request in self.requests if request.content]
        return [body for body in bodies if body["model"] in models]


def failures(gateway: Gateway) -> dict[tuple[str, str, str], str]:
    return {
        (result.subject, result.instance, result.check): result.detail
        for result in gateway.prove()
        if not result.ok
    }
