"""A gateway on loopback before servers that transcribe, speak, rank and draw."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from bench.breakable import Breakable
from llmrack.site.client_keys import client_keys
from llmrack.stack.schema import Stack
from llmrack_lab.standins.answers import JSON, Model
from llmrack_lab.standins.openai_like import OpenAILike
from llmrack_lab.standins.vllm import VLLM
from tests import DEADLINE
from tests.lab.front import SECRET, Front, provider
from tests.lab.keyed_front import issued, key

KINDS = ("transcription", "speech", "rerank", "image")
MODELS = [Model("m"), Model("embed", dimensions=4), *(Model(k, answers=k) for k in KINDS)]
# The public names: of two instances that are paid, and of two that are watched.
PAID = {"transcription": "whisper", "speech": "voice", "rerank": "ranks", "image": "pictures"}
WATCHED = {kind: f"watched-{kind}" for kind in KINDS}
# Keys in the gateway's environment that belong to nobody it asks.
STRAY = ("OPENAI_API_KEY", "COHERE_API_KEY", "HOSTED_VLLM_API_KEY")
RANKED = {"query": "red apple", "documents": ["a stone", "an apple", "a red apple"]}


def silence(seconds: float = 0.5) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(seconds * 8000) * 2))
    return made.getvalue()


def _stack(at: dict[str, Breakable]) -> dict[str, Any]:
    kind = "openai-compatible"
    watched = {"health_check": True}
    providers = {
        "first": provider(kind, at["first"], headers={"X-Client": "rack"}),
        "second": provider(kind, at["second"], priority=2),
        "third": provider(kind, at["third"], **watched),
        "fourth": provider(kind, at["fourth"], priority=2, **watched),
        "open": {"kind": kind, "url": f"{at['open'].url}/v1"},
        "vllm": provider("vllm", at["vllm"]),
        # Its certificate is verified by nobody but LiteLLM, where that would ask.
        "sealed": provider(kind, at["sealed"], tls_verify=False),
    }
    models: dict[str, Any] = {
        "chat": {"provider": "first", "model": "m"},
        "vectors": {"provider": "first", "model": "embed", "capabilities": ["embedding"]},
        "order": {"provider": "vllm", "model": "rerank", "capabilities": ["rerank"]},
        "heard": {"provider": "vllm", "model": "transcription", "capabilities": ["transcription"]},
        "dropping": {
            "provider": "first",
            "model": "transcription",
            "capabilities": ["transcription"],
            "drop": ["language"],
        },
    }
    for each in KINDS:
        declared = {"model": each, "capabilities": [each]}
        models[PAID[each]] = {"provider": ["first", "second"], **declared}
        models[WATCHED[each]] = {"provider": ["third", "fourth"], **declared}
        models[f"open-{each}"] = {"provider": "open", **declared}
        models[f"sealed-{each}"] = {"provider": "sealed", **declared}
    keys = {"chatty": {"models": ["chat"]}, "listening": {"models": ["whisper"]}, "all": {}}
    return {"providers": providers, "models": models, "keys": keys}


class World:
    """The gateway, and who is behind it."""

    def __init__(self, front: Front, others: dict[str, Breakable], stack: Stack) -> None:
        self.front, self.others, self.stack = front, others, stack

    def ask(self, kind: str, model: str, name: str = "all", **body: Any) -> httpx.Response:
        """Ask a model for what is of a kind, with a client's key."""
        client, headers = self.front.process.client, {"Authorization": f"Bearer {key(name)}"}
        if kind == "transcription":
            files = {"file": ("speech.wav", silence())}
            return client.post(
                "/v1/audio/transcriptions",
                data={"model": model, **body},
                files=files,
                headers=headers,
            )
        kinds: dict[str, tuple[str, dict[str, Any]]] = {
            "speech": ("/v1/audio/speech", {"input": "Hello.", "voice": "alloy"}),
            "rerank": ("/v1/rerank", RANKED),
            "image": ("/v1/images/generations", {"prompt": "A cat."}),
        }
        path, asked = kinds[kind]
        return client.post(path, json={"model": model, **asked, **body}, headers=headers)

    def sent(self, name: str) -> JSON:
        """The last request of a client that reached a server: headers, body."""
        return self.others[name].asked()[-1]

    def aside(self) -> list[str]:
        """What the gateway has put aside so far, by its log."""
        return [line for line in self.front.process.log.splitlines() if " put aside: " in line]

    def lines(self) -> list[JSON]:
        """The log of requests."""
        log = Path(self.front.process.folder / "requests.jsonl")
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@contextlib.contextmanager
def kinds_front(python: Path, folder: Path) -> Iterator[World]:
    """Start all of it."""
    with contextlib.ExitStack() as opened, pytest.MonkeyPatch.context() as environment:
        for name in STRAY:
            environment.setenv(name, f"stray-{name}")
        others = {
            name: opened.enter_context(
                Breakable(OpenAILike(MODELS, "" if name == "open" else SECRET))
            )
            for name in ("first", "second", "third", "fourth", "open")
        }
        sealed = Breakable(OpenAILike(MODELS, SECRET), trustme.CA())
        others["sealed"] = opened.enter_context(sealed)
        others["vllm"] = opened.enter_context(Breakable(VLLM(MODELS, SECRET)))
        stack = _stack(others)
        declared = Stack.model_validate(stack)
        known = client_keys(declared, issued(list(stack["keys"])), [])
        front = opened.enter_context(Front(python, folder, stack, client_keys=known))
        world = World(front, others, declared)
        yield world
        print(front.process.log[-20_000:])


def answered(kind: str, answer: httpx.Response) -> str:
    """By which deployment, when the answer is one of a kind."""
    assert answer.status_code == 200, answer.text
    if kind == "speech":
        assert answer.headers["content-type"] == "audio/mpeg"
        assert answer.content.startswith(b"ID3[openai speech]")
        assert answer.content.endswith(b"whatever they ask.")
    elif kind == "transcription":
        assert "It heard 0.5 s of audio." in answer.json()["text"]
    elif kind == "rerank":
        assert [each["index"] for each in answer.json()["results"]] == [2, 1, 0]
    else:
        (made,) = answer.json()["data"]
        assert base64.b64decode(made["b64_json"]).startswith(b"\x89PNG")
    assert answer.headers["x-llmrack-served"] == "outside"
    return answer.headers["x-litellm-model-id"]


def shown(key: str) -> str:
    """How a stand-in notes a key."""
    return f"Bearer sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def noted(world: World, model: str, count: int) -> list[dict[str, object]]:
    """The last lines of a model in the log of requests, once they are there."""
    end = time.monotonic() + DEADLINE
    while True:
        lines = [each for each in world.lines() if each["model"] == model]
        if len(lines) >= count or time.monotonic() > end:
            assert len(lines) == count
            return lines
        time.sleep(0.1)
