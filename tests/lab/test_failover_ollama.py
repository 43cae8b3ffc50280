"""Failover between our own Ollama servers, as the inventory declares them: two hosts of a group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmrack_lab.shell import wait_until
from tests.contract.ollama_process import OllamaProcess
from tests.lab.front import Front
from tests.lab.ollama_boxes import asked, host_of, ollama_boxes

CHAT, SECOND, EMBEDDING = "llama3.1:latest", "llama3.2:1b", "all-minilm:latest"
DEADLINE = 30.0


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, OllamaProcess]]:
    with ollama_boxes(tmp_path_factory.mktemp("boxes"), (CHAT, SECOND, EMBEDDING)) as found:
        yield found


@pytest.fixture(scope="module")
def front(
    gateway_python: Path, tmp_path_factory: pytest.TempPathFactory, boxes: dict[str, OllamaProcess]
) -> Iterator[Front]:
    hosts = tuple(
        host_of(name, box, ollama_priority=number)
        for number, (name, box) in enumerate(boxes.items(), 1)
    )
    stack = {
        "providers": {"local": {"kind": "ollama", "connect_timeout": 1}},
        "models": {
            CHAT: {"provider": "local"},
            SECOND: {"provider": "local"},
            EMBEDDING: {"provider": "local", "capabilities": ["embedding"]},
        },
    }
    folder = tmp_path_factory.mktemp("gateway")
    with Front(gateway_python, folder, stack, hosts) as started:
        yield started
        print(started.process.log[-20_000:])


@pytest.fixture(autouse=True)
def _well(front: Front, boxes: dict[str, OllamaProcess]) -> None:
    """Each test begins with the first box serving every model."""
    fault(boxes["box1"], "ok")
    for model in (CHAT, SECOND):
        assert wait_until(lambda model=model: by(front, model) == "box1", DEADLINE)
    assert wait_until(lambda: embed(front) == "box1", DEADLINE)


def fault(box: OllamaProcess, mode: str, **keys: Any) -> None:
    """By the door that stays open when the server itself refuses connections."""
    port = box.url.rpartition(":")[2]
    with httpx.Client(transport=httpx.HTTPTransport(uds=f"\0llmrack-standin-{port}")) as client:
        url = "http://localhost/__standin__/fault"
        client.post(url, json={"mode": mode, **keys}).raise_for_status()


def by(front: Front, model: str, stream: bool = False) -> str:
    """The host that answers; the stand-in says more than the ones of providers."""
    found = front.ask(model, stream)
    assert not found.error, found.error
    return found.by.partition("/")[0]


def embed(front: Front) -> str:
    """The host that makes an embedding."""
    body = {"model": EMBEDDING, "input": ["hello"]}
    answer = front.process.client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-litellm-model-id"].partition("/")[0]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("mode", ["refuse", "500", "401"])
def test_the_other_host_answers_until_the_first_one_is_well(
    front: Front, boxes: dict[str, OllamaProcess], mode: str, stream: bool
) -> None:
    fault(boxes["box1"], mode)
    assert [by(front, CHAT, stream) for _ in range(5)] == ["box2"] * 5
    fault(boxes["box1"], "ok")
    assert wait_until(lambda: by(front, CHAT, stream) == "box1", DEADLINE)


def test_a_model_that_a_host_lacks_does_not_keep_its_others_from_clients(
    front: Front, boxes: dict[str, OllamaProcess]
) -> None:
    fault(boxes["box1"], "missing", model=CHAT)
    assert [by(front, CHAT) for _ in range(3)] == ["box2"] * 3
    assert [by(front, SECOND) for _ in range(3)] == ["box1"] * 3
    fault(boxes["box1"], "ok")
    assert wait_until(lambda: by(front, CHAT) == "box1", DEADLINE)


def test_an_embedding_is_made_by_the_other_host_and_proven_by_an_embedding(
    front: Front, boxes: dict[str, OllamaProcess]
) -> None:
    fault(boxes["box1"], "500", model=EMBEDDING)
    assert [embed(front) for _ in range(3)] == ["box2"] * 3
    fault(boxes["box1"], "ok")
    assert wait_until(lambda: embed(front) == "box1", DEADLINE)
    proofs = [
        each
        for each in asked(boxes["box1"], "/v1/embeddings", EMBEDDING)
        if each["body"]["input"] == ["ok"]
    ]
    assert proofs
    assert not asked(boxes["box1"], "/api/chat", EMBEDDING)


def test_no_host_of_ours_is_shown_a_key(front: Front, boxes: dict[str, OllamaProcess]) -> None:
    assert by(front, CHAT) == "box1"
    headers = asked(boxes["box1"], "/api/chat", CHAT)[-1]["headers"]
    shown = {name.lower(): value for name, value in headers.items()}.get("authorization", "none")
    none = hashlib.sha256(b"none").hexdigest()
    assert shown in ("none", f"sha256:{none}")
