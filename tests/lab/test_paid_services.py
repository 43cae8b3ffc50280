"""Services whose API is not OpenAI's, and addresses with a query, behind a gateway on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.lab.front import SECRETS, Front

KEY = SECRETS["PROVIDER_KEY"]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}
VERSION = "2024-10-21"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
OPENAI = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "from azure"},
        }
    ],
    "usage": USAGE,
}
ANTHROPIC = {
    "id": "msg",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "from anthropic"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
GEMINI = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "from gemini"}]},
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
}


def anthropic_stream() -> Iterator[tuple[str, Any]]:
    """The events of Anthropic's stream (https://platform.claude.com/docs/en/build-with-claude)."""
    yield "message_start", {"message": {**ANTHROPIC, "content": [], "stop_reason": None}}
    yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
    for word in ("from ", "anthropic"):
        yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": word}}
    yield "content_block_stop", {"index": 0}
    yield "message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
    yield "message_stop", {}


class Service(ThreadingHTTPServer):
    """Notes requests, and answers by their path; ``failure`` is a status and a body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.failure: tuple[int, Any] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sent(self) -> tuple[str, dict[str, str], dict[str, Any]]:
        """Path with query, headers and body of the last request."""
        return self.requests[-1]


class Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.path, headers, body))
        if self.server.failure:
            self.answer(*self.server.failure)
        elif "/v1/messages" in self.path and body.get("stream"):
            events = "".join(
                f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n"
                for name, data in anthropic_stream()
            )
            self.answer(200, events.encode(), "text/event-stream")
        elif "/v1/messages" in self.path:
            self.answer(200, ANTHROPIC)
        elif ":streamGenerateContent" in self.path:
            text = f"data: {json.dumps(GEMINI)}\n\n"
            self.answer(200, text.encode(), "text/event-stream")
        elif ":generateContent" in self.path:
            self.answer(200, GEMINI)
        elif ":batchEmbedContents" in self.path:
            self.answer(200, {"embeddings": [{"values": [0.25, 0.5]}]})
        elif "/chat/completions" in self.path:
            self.answer(200, OPENAI)
        else:
            self.answer(404, {"error": {"message": f"nothing at {self.path}"}})

    def answer(self, status: int, body: Any, kind: str = "application/json") -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


class World:
    def __init__(self, front: Front, service: Service) -> None:
        self.front, self.service = front, service

    def chat(self, model: str, **body: Any) -> Any:
        return self.front.process.chat(model, **body)


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    service = Service()
    threading.Thread(target=service.serve_forever, daemon=True).start()
    azure = f"{service.url}/openai/deployments/y?api-version={VERSION}"
    litellm = {"kind": "litellm", "url": service.url, "api_key": "PROVIDER_KEY"}
    providers = {
        "like-azure": {
            "kind": "openai-compatible",
            "url": azure,
            "secret_headers": {"api-key": "PROVIDER_KEY"},
        },
        "anthropic": {**litellm, "prefix": "anthropic"},
        "second": {**litellm, "prefix": "anthropic", "api_key": "OTHER_KEY", "priority": 2},
        "gemini": {**litellm, "prefix": "gemini"},
        "azure": {**litellm, "prefix": "azure", "settings": {"api_version": VERSION}},
        "bedrock": {
            "kind": "litellm",
            "prefix": "bedrock",
            "settings": {
                "aws_region_name": "eu-central-1",
                "aws_bedrock_runtime_endpoint": service.url,
            },
            "secret_settings": {
                "aws_access_key_id": "OTHER_KEY",
                "aws_secret_access_key": "PROVIDER_KEY",
            },
        },
    }
    tools = {"capabilities": ["chat", "tools"]}
    models: dict[str, Any] = {
        "warm": {"provider": "like-azure", "model": "m"},
        "gpt": {"provider": "like-azure", "model": "m"},
        "claude": {"provider": ["anthropic", "second"], "model": "claude-sonnet-4-5", **tools},
        "first-claude": {
            "provider": "anthropic",
            "model": "claude-sonnet-4-5",
            "defaults": {"temperature": 0.25},
            "extra_body": {"context_management": {"edits": []}, "service_note": "x"},
            "first_token_timeout": 5,
        },
        "flash": {"provider": "gemini", "model": "gemini-2.5-flash"},
        "vectors": {
            "provider": "gemini",
            "model": "gemini-embedding-001",
            "capabilities": ["embedding"],
        },
        "azure-gpt": {
            "provider": "azure",
            "model": "my-deployment",
            "extra_body": {"data_sources": [{"type": "azure_search"}]},
        },
        "titan": {"provider": "bedrock", "model": "converse/anthropic.claude-x"},
    }
    folder = tmp_path_factory.mktemp("services")
    with Front(gateway_python, folder, {"providers": providers, "models": models}) as front:
        yield World(front, service)
        print(front.process.log[-20_000:])
    service.shutdown()


@pytest.fixture(autouse=True)
def _well(world: World) -> Iterator[None]:
    world.service.failure = None
    yield
    world.service.failure = None


def said(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def test_a_query_of_an_address_reaches_the_service_behind_the_path(world: World) -> None:
    assert said(world.chat("gpt")) == "from azure"
    path, headers, _ = world.service.sent()
    assert path == f"/openai/deployments/y/chat/completions?api-version={VERSION}"
    assert headers["api-key"] == KEY


def test_anthropic_is_asked_in_its_own_form_with_its_own_header(world: World) -> None:
    assert said(world.chat("first-claude")) == "from anthropic"
    path, headers, body = world.service.sent()
    assert path == "/v1/messages"
    assert headers["x-api-key"] == KEY
    assert KEY not in headers.get("authorization", "")
    assert (body["model"], body["temperature"]) == ("claude-sonnet-4-5", 0.25)


def test_fields_that_are_declared_reach_the_service(world: World) -> None:
    said(world.chat("first-claude"))
    body = world.service.sent()[2]
    assert (body["context_management"], body["service_note"]) == ({"edits": []}, "x")
    said(world.chat("azure-gpt"))
    assert world.service.sent()[2]["data_sources"] == [{"type": "azure_search"}]


def test_anthropic_streams(world: World) -> None:
    outcome = world.front.ask("claude", stream=True)
    assert (outcome.error, outcome.text) == ("", "from anthropic")


def test_tools_reach_anthropic_in_its_own_form(world: World) -> None:
    said(world.chat("claude", tools=[WEATHER], seed=7))
    answer = world.chat("claude", tools=[WEATHER], seed=7)
    assert world.service.sent()[2]["tools"][0]["name"] == "weather"
    assert "seed" not in world.service.sent()[2]
    assert "seed" in answer.headers["x-llmrack-left-out"]


def test_requests_in_anthropics_form_keep_what_is_declared(world: World) -> None:
    answer = world.front.process.client.post(
        "/v1/messages",
        json={
            "model": "first-claude",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Hello."}],
        },
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["content"][0]["text"] == "from anthropic"
    assert world.service.sent()[2]["temperature"] == 0.25


def test_requests_in_the_form_of_responses_are_answered(world: World) -> None:
    answer = world.front.process.client.post(
        "/v1/responses", json={"model": "claude", "input": "Hello."}
    )
    assert answer.status_code == 200, answer.text
    assert world.service.sent()[0] == "/v1/messages"


def test_gemini_is_asked_in_its_own_form(world: World) -> None:
    assert said(world.chat("flash")) == "from gemini"
    path, headers, _ = world.service.sent()
    assert "gemini-2.5-flash:generateContent" in path
    assert KEY in (headers.get("x-goog-api-key", ""), path.partition("key=")[2])
    assert "authorization" not in headers


def test_gemini_is_asked_for_embeddings(world: World) -> None:
    body = {"model": "vectors", "input": ["one"]}
    answer = world.front.process.client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"][0]["embedding"] == [0.25, 0.5]
    path, headers, _ = world.service.sent()
    assert "gemini-embedding-001:batchEmbedContents" in path
    assert KEY in (headers.get("x-goog-api-key", ""), path.partition("key=")[2])


def test_azure_is_asked_by_the_name_of_the_deployment(world: World) -> None:
    assert said(world.chat("azure-gpt")) == "from azure"
    path, headers, _ = world.service.sent()
    wanted = f"/openai/deployments/my-deployment/chat/completions?api-version={VERSION}"
    assert path == wanted
    assert headers["api-key"] == KEY
    assert "authorization" not in headers


def test_bedrock_is_shown_a_signature_and_no_secret(world: World) -> None:
    world.chat("titan")
    path, headers, _ = world.service.sent()
    assert path.startswith("/model/anthropic.claude-x/converse")
    assert f"Credential={SECRETS['OTHER_KEY']}/" in headers["authorization"]
    assert KEY not in json.dumps(headers)


@pytest.mark.parametrize(
    ("model", "status", "body"),
    [
        ("flash", 400, {"error": {"code": 400, "message": "API key not valid."}}),
        ("first-claude", 401, {"type": "error", "error": {"message": f"bad key {KEY}"}}),
        ("azure-gpt", 401, {"error": {"message": f"bad key {KEY}"}}),
    ],
)
def test_a_refused_key_is_the_services_failure_and_is_not_repeated(
    world: World, model: str, status: int, body: Any
) -> None:
    world.service.failure = (status, body)
    answer = world.chat(model)
    assert answer.status_code != 200
    assert KEY not in answer.text
    assert KEY not in world.front.process.log
    aside = [line for line in world.front.process.log.splitlines() if " put aside: " in line]
    assert aside, answer.text
    assert f"it answers {status}" in aside[-1]


def test_a_wrong_request_is_the_clients(world: World) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "too odd"}}
    world.service.failure = (400, error)
    answer = world.chat("claude")
    assert (answer.status_code, "too odd" in answer.text) == (400, True)
