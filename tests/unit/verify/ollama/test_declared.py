"""The proof of an Ollama instance, and how it fails."""

from __future__ import annotations

import httpx
import pytest

from llmrack.verify.ollama.declared import prove_engine
from llmrack.verify.results import Result


def prove(
    version: str = "0.34.4",
    models: tuple[str, ...] = ("llama3.1", "nomic-embed-text:latest"),
    answers: dict[str, httpx.Response] | None = None,
) -> list[Result]:
    tags = {"models": [{"name": "llama3.1:latest"}, {"name": "nomic-embed-text:latest"}]}
    honest = {
        "/api/version": httpx.Response(200, json={"version": "0.34.4"}),
        "/api/tags": httpx.Response(200, json=tags),
    }
    replies = honest | (answers or {})
    transport = httpx.MockTransport(lambda request: replies[request.url.path])
    with httpx.Client(transport=transport, base_url="http://box1") as client:
        return prove_engine(client, "box1", "box1/big", version, models)


def test_the_declared_version_and_models_are_proven() -> None:
    results = prove()
    assert [(result.check, result.ok, result.host, result.instance) for result in results] == [
        ("version", True, "box1", "box1/big"),
        ("models present", True, "box1", "box1/big"),
    ]


def test_another_version_is_told() -> None:
    version, models = prove(version="0.35.0")
    assert not version.ok and models.ok
    assert "version 0.34.4 runs, declared is 0.35.0; deploy again" in version.detail


def test_a_build_made_by_hand_may_have_any_version() -> None:
    assert prove(version="0.0.0")[0].ok


def test_a_server_that_tells_no_version_is_not_proven() -> None:
    answers = {"/api/version": httpx.Response(200, json={})}
    assert not prove(version="0.0.0", answers=answers)[0].ok


def test_missing_models_are_named() -> None:
    _, models = prove(models=("llama3.1", "llava", "x:7b"))
    assert not models.ok and "not there: llava, x:7b; deploy again" in models.detail


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(500, text="boom"),
        httpx.Response(200, text="Ollama is running"),
        httpx.Response(200, json={"models": None}),
    ],
)
def test_a_strange_answer_fails_with_a_reason(reply: httpx.Response) -> None:
    result = prove(answers={"/api/tags": reply})[1]
    assert not result.ok and ";" in result.detail


def test_ollamas_own_words_are_told() -> None:
    reply = httpx.Response(503, json={"error": "server busy"})
    result = prove(answers={"/api/tags": reply})[1]
    assert "/api/tags answers 503: server busy; see its journal" in result.detail
