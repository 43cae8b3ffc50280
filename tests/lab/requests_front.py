"""A gateway on loopback before two Ollama servers of ours, a vLLM, and a provider that is paid."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.breakable import Breakable
from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.openai_like import OpenAILike
from llmrack_lab.standins.provider import Provider, Refusal
from llmrack_lab.standins.remote import Attic
from tests import DEADLINE
from tests.lab.front import MODELS, SECRET, Front, breakable, provider
from tests.lab.ollama_boxes import host_at, ollama_boxes
from tests.lab.recording import Recording

OURS, EYES, VECTORS = "llama3.1:latest", "llava:latest", "nomic-embed-text:latest"
THINKER, LEVELLED, SECOND = "qwen3:latest", "gpt-oss:20b", "llama3.2:1b"
CONTEXT = 2048
SEEING = [Model("m", vision=True)]
HELLO = [{"role": "user", "content": "Say hello."}]


class Strict(OpenAILike):
    """Refuses a temperature above 2, as OpenAI does."""

    def _chat(self, request: Request) -> Reply | Stream:
        if (request.body or {}).get("temperature", 0) > 2:
            raise Refusal(400, "'temperature' must be at most 2", "invalid_value")
        return super()._chat(request)


class Repeating(Attic):
    """Says one word again and again, and ends without the mark of an end, as Ollama ends that."""

    def _chat(self, request: Request) -> Reply | Stream:
        if not (request.body or {}).get("stream"):
            return super()._chat(request)
        line = {"model": "m", "message": {"role": "assistant", "content": " no"}, "done": False}
        return Stream("application/x-ndjson", iter([json.dumps(line).encode() + b"\n"] * 32))


STACK: dict[str, Any] = {
    "models": {
        # Ours, with a way out of the house when it fails.
        OURS: {"provider": "local", "capabilities": ["chat", "tools"]},
        SECOND: {
            "provider": "local",
            "defaults": {"temperature": 0.25, "stop": ["END"], "max_tokens": 40},
            "drop": ["tool_choice", "seed"],
            "max_tokens": 50,
            "client_options": ["num_ctx", "keep_alive"],
            "extra_body": {"options": {"num_batch": 64, "temperature": 9}},
        },
        EYES: {"provider": "local", "capabilities": ["chat", "vision"]},
        THINKER: {"provider": "local", "capabilities": ["chat", "thinking"]},
        LEVELLED: {
            "provider": "local",
            "capabilities": ["chat", "thinking"],
            "thinking": {"default": "medium"},
        },
        VECTORS: {"provider": "local", "capabilities": ["embedding"]},
        # The same model, from which requests go on that it refuses.
        "blind": {"provider": "local", "model": OURS, "on_refusal": "next"},
        "roomy": {"provider": "local", "model": OURS},
        "paid": {"provider": "paid", "model": "m"},
        "paid-eyes": {"provider": "eyes", "model": "m", "capabilities": ["chat", "vision"]},
        "fast": {"provider": "vllm", "model": "m", "capabilities": ["chat", "thinking"]},
        "switched": {
            "provider": "vllm",
            "model": "m",
            "capabilities": ["chat", "thinking"],
            "thinking": {"levels": []},
            "extra_body": {"chat_template_kwargs": {"preserve_thinking": True}, "cache_salt": "s"},
        },
        "strict": {"provider": "strict", "model": "m"},
        "parrot": {"provider": "parrot", "model": "m"},
        "any/*": {"provider": "paid"},
    },
    "chains": {"blind": ["paid-eyes"], "strict": ["paid"]},
    "default_chain": ["paid"],
    "context_window_chains": {"roomy": ["paid"]},
    "aliases": {"claude-*": OURS},
}


class World:
    """The gateway, and who is behind it."""

    def __init__(
        self, front: Front, ways: dict[str, Recording], others: dict[str, Breakable]
    ) -> None:
        self.front, self.ways, self.others = front, ways, others

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Ask the gateway."""
        return self.front.process.client.post(path, json=body)

    def chat(self, model: str, **body: Any) -> httpx.Response:
        """Ask it in OpenAI's form."""
        return self.post("/v1/chat/completions", **({"model": model, "messages": HELLO} | body))

    def messages(self, model: str, **body: Any) -> httpx.Response:
        """Ask it in Anthropic's form."""
        asked = {"model": model, "max_tokens": 64, "messages": HELLO} | body
        return self.post("/v1/messages?beta=true", **asked)

    def sent(self, answer: httpx.Response, path: str = "/api/chat") -> dict[str, Any]:
        """The body that the box was sent which gave an answer."""
        assert answer.status_code == 200, answer.text
        box = answer.headers["x-litellm-model-id"].partition("/")[0]
        return [
            body for at, body in self.ways[box].requests if at == path and not _is_of_gateway(body)
        ][-1]

    def passed_on(self, name: str) -> dict[str, Any]:
        """The last request's body that a provider was sent."""
        found: dict[str, Any] = self.others[name].asked()[-1]["body"]
        return found

    def left(self) -> int:
        """How many requests have left the house so far."""
        return sum(len(each.asked()) for each in self.others.values())

    def aside(self) -> list[str]:
        """What the gateway has put aside so far, by its log."""
        return [line for line in self.front.process.log.splitlines() if " put aside: " in line]


def refused(answer: httpx.Response) -> str:
    """Why: a 400 with a sentence, in OpenAI's form."""
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    said: str = error["message"]
    assert "litellm" not in said.lower()
    assert "Traceback" not in said
    return said


def served(answer: httpx.Response) -> str:
    """Whether the answer comes from the house."""
    assert answer.status_code == 200, answer.text
    return answer.headers["x-llmrack-served"]


def logged(world: World, answer: httpx.Response) -> dict[str, Any]:
    """The line of the log, which comes a little later than the answer."""
    log = Path(world.front.process.folder / "requests.jsonl")
    name, end = answer.headers["x-litellm-call-id"], time.monotonic() + DEADLINE
    while name not in log.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    (line,) = [json.loads(line) for line in log.read_text().splitlines() if name in line]
    return dict(line)


def _is_of_gateway(body: dict[str, Any]) -> bool:
    """Whether it is the gateway's own short request."""
    return bool(body.get("messages")) and body["messages"][-1].get("content") == "Say ok."


@contextlib.contextmanager
def requests_front(python: Path, folder: Path) -> Iterator[World]:
    """Start all of it."""
    with contextlib.ExitStack() as opened:
        (folder / "boxes").mkdir()
        models = (OURS, EYES, VECTORS, THINKER, LEVELLED, SECOND)
        boxes = opened.enter_context(
            ollama_boxes(folder / "boxes", models, OLLAMA_CONTEXT_LENGTH=str(CONTEXT))
        )
        kinds = dict.fromkeys(("paid", "eyes", "strict"), "openai-compatible")
        kinds |= {"vllm": "vllm", "parrot": "ollama-remote"}
        own: dict[str, Provider] = {
            "strict": Strict(MODELS, SECRET),
            "eyes": OpenAILike(SEEING, SECRET),
            "parrot": Repeating([Model("m:latest")], SECRET),
        }
        others = {
            name: opened.enter_context(Breakable(own[name]) if name in own else breakable(kind))
            for name, kind in kinds.items()
        }
        providers = {name: provider(kinds[name], at) for name, at in others.items()}
        stack = STACK | {"providers": {"local": {"kind": "ollama"}, **providers}}
        (folder / "gateway").mkdir()
        ways = {name: opened.enter_context(Recording(box.url)) for name, box in boxes.items()}
        hosts = tuple(host_at(name, way.port) for name, way in ways.items())
        front = opened.enter_context(Front(python, folder / "gateway", stack, hosts))
        yield World(front, ways, others)
        print(front.process.log[-20_000:])
