"""The stand-ins of Ollama servers that somebody else runs: who they answer, and where."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from llmrack_lab.standins.program import StandIn
from llmrack_lab.standins.remote import MODELS, Attic, Office
from tests.unit.running_standin import ANYWHERE, HELLO, KEY, Running

CLIENT_KEY = "client-key"
CHAT = {"model": "llama3.2", "messages": HELLO, "stream": False}
OPEN = {"X-API-Key": CLIENT_KEY, "X-Client-ID": "rack1"}


@pytest.fixture
def attic() -> Iterator[Running]:
    with StandIn(Attic(MODELS, KEY), ANYWHERE, ANYWHERE) as standin:
        yield Running(standin)


@pytest.fixture
def office() -> Iterator[Running]:
    with StandIn(Office(MODELS, KEY, CLIENT_KEY), ANYWHERE, ANYWHERE) as standin:
        yield Running(standin)


def test_attic_chats_by_any_name_of_a_model(attic: Running) -> None:
    for name in ("llama3.2", "llama3.2:latest"):
        answer = attic.api.post("/api/chat", json=CHAT | {"model": name}).json()
        assert answer["model"] == name
        assert answer["message"]["content"].startswith(f"[attic {name}]")


def test_attic_is_closed_without_its_key(attic: Running) -> None:
    closed = {"Authorization": "Bearer other"}
    assert attic.api.get("/api/version", headers=closed).status_code == 401


@pytest.mark.parametrize("path", ["/api/embed", "/v1/embeddings"])
def test_attic_embeds_with_an_embedding_model_alone(attic: Running, path: str) -> None:
    answer = attic.api.post(path, json={"model": "nomic-embed-text", "input": "hello"}).json()
    (vector,) = answer.get("embeddings") or [entry["embedding"] for entry in answer["data"]]
    assert len(vector) == 768
    assert attic.api.post(path, json={"model": "llama3.2", "input": "x"}).status_code == 501


def test_attic_shows_what_it_has_loaded(attic: Running) -> None:
    assert attic.api.get("/api/ps").json() == {"models": []}
    attic.api.post("/api/chat", json=CHAT)
    assert [model["name"] for model in attic.api.get("/api/ps").json()["models"]] == [
        "llama3.2:latest"
    ]


def test_office_answers_at_paths_of_its_own(office: Running) -> None:
    office.api.headers.update(OPEN)
    answer = office.api.post("/ollama/v2/chat", json=CHAT).json()["message"]["content"]
    assert answer.startswith("[office llama3.2]")
    listed = office.api.get("/ollama/v2/models").json()["models"]
    assert "nomic-embed-text:latest" in [item["name"] for item in listed]
    assert office.api.get("/ollama/v2/health").status_code == 200


@pytest.mark.parametrize("path", ["/api/chat", "/api/tags", "/api/ps", "/v1/models"])
def test_office_has_none_of_ollamas_own_paths(office: Running, path: str) -> None:
    method = "POST" if path == "/api/chat" else "GET"
    assert office.api.request(method, path, headers=OPEN, json=CHAT).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": CLIENT_KEY},
        {"X-Client-ID": "rack1"},
        OPEN | {"X-API-Key": "wrong"},
        OPEN | {"Authorization": "Bearer wrong"},
    ],
    ids=["neither", "no client id", "no client key", "wrong client key", "wrong bearer key"],
)
def test_office_wants_all_three_headers(office: Running, headers: dict[str, str]) -> None:
    assert office.api.get("/ollama/v2/health", headers=headers).status_code == 401


def test_the_record_keeps_the_client_key_as_a_hash(office: Running) -> None:
    office.api.get("/ollama/v2/health", headers=OPEN)
    response = office.control.get("/requests")
    assert CLIENT_KEY not in response.text
    (entry,) = response.json()
    digest = hashlib.sha256(CLIENT_KEY.encode()).hexdigest()
    assert entry["headers"]["X-Api-Key"] == f"sha256:{digest}"
    assert entry["headers"]["X-Client-Id"] == "rack1"
