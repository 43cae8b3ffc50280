"""The gate of an instance that was started anew."""

from __future__ import annotations

import json
from typing import Any

import httpx

from llmrack.stack.fleet import Host
from llmrack.stack.ollama.instances import instances
from llmrack.stack.ollama_models import engine_models
from llmrack.verify.ollama.proof import OllamaProof
from tests.unit.declare import host, stack

BOX = host()
CHAT, EMBED = "llama3.1:latest", "nomic-embed-text:latest"


class Ollama:
    """Answers as an Ollama with all models loaded on its card."""

    def __init__(self) -> None:
        self.version = BOX.settings.ollama_version
        self.on_card = 1 << 30
        self.refusal: httpx.Response | None = None
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, json.loads(request.content or b"{}")
        if path == "/api/version":
            return httpx.Response(200, json={"version": self.version})
        if path in ("/api/tags", "/api/ps"):
            size = {"size": 1 << 30, "size_vram": self.on_card, "context_length": 8192}
            models = [{"name": name, **size} for name in (CHAT, EMBED)]
            return httpx.Response(200, json={"models": models})
        if path == "/api/show":
            return httpx.Response(200, json={"model_info": {}})
        self.asked.append((path, body))
        short = body.get("prompt") or body.get("input")
        return self.refusal if short and self.refusal else httpx.Response(200, json={})


def prove(ollama: Ollama, *names: str, on: Host = BOX) -> dict[str, bool]:
    """Each check of the gate with models called ``names``, and whether it was passed."""
    declared = stack()
    known = {model.name: model for model in engine_models(declared, on)}
    with client(ollama) as asking:
        proof = OllamaProof(asking, declared, on, instances(on)[0])
        results = proof.gate([known[name] for name in names])
    return {f"{result.subject} {result.check}": result.ok for result in results}


def client(ollama: Ollama) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(ollama), base_url="http://box1")


def test_models_are_loaded_and_the_first_one_answers() -> None:
    ollama = Ollama()
    assert prove(ollama, CHAT, EMBED) == {
        "ollama version": True,
        "ollama models present": True,
        "llama3.1:latest resident": True,
        "embed resident": True,
        "llama3.1:latest answers": True,
    }
    loads = [path for path, body in ollama.asked if not body.get("prompt")]
    assert loads == ["/api/generate", "/api/embed"]


def test_without_a_model_its_version_is_all_there_is() -> None:
    assert prove(Ollama()) == {"ollama version": True, "ollama models present": True}


def test_another_version_is_asked_nothing_more() -> None:
    ollama = Ollama()
    ollama.version = "0.1.0"
    assert prove(ollama, CHAT) == {"ollama version": False, "ollama models present": True}
    assert ollama.asked == []


def test_a_model_that_is_not_on_the_card_fails() -> None:
    ollama = Ollama()
    ollama.on_card = 0
    assert prove(ollama, CHAT)["llama3.1:latest resident"] is False
    assert prove(ollama, CHAT, on=host(gpu_required=False))["llama3.1:latest resident"]


def test_a_model_that_gives_no_answer_fails() -> None:
    ollama = Ollama()
    ollama.refusal = httpx.Response(500, json={"error": "llama runner process has terminated"})
    assert prove(ollama, CHAT)["llama3.1:latest answers"] is False


def test_a_model_of_embeddings_is_asked_for_one() -> None:
    ollama = Ollama()
    assert prove(ollama, EMBED)["nomic-embed-text:latest answers"]
    assert ollama.asked[-1] == ("/api/embed", {"model": EMBED, "input": ["ok"]})


def test_what_is_loaded_is_listed_and_a_silent_instance_has_nothing() -> None:
    with client(Ollama()) as asking:
        assert OllamaProof(asking, stack(), BOX, instances(BOX)[0]).loaded() == {CHAT, EMBED}

    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with httpx.Client(transport=httpx.MockTransport(silent), base_url="http://box1") as asking:
        assert OllamaProof(asking, stack(), BOX, instances(BOX)[0]).loaded() == set()
