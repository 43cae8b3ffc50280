"""Transcriptions, speech, ranks and images through a gateway: answered, failed over, limited."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from tests.lab.front import SECRET
from tests.lab.gateway_process import KEY
from tests.lab.kinds_front import KINDS, PAID, STRAY, WATCHED, World, kinds_front, silence


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with kinds_front(gateway_python, tmp_path_factory.mktemp("kinds")) as found:
        yield found


@pytest.fixture(autouse=True)
def _all_are_well(world: World) -> Iterator[None]:
    """Nobody is put aside from one test to the next."""
    yield
    broken = [name for name, each in world.others.items() if each.provider.fault.mode != "ok"]
    for name in broken:
        world.others[name].mend()
    if broken:
        time.sleep(4)


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


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_answered_and_logged(world: World, kind: str) -> None:
    assert answered(kind, world.ask(kind, PAID[kind])) == f"first/{PAID[kind]}"
    sent = world.sent("first")
    assert sent["headers"]["Authorization"] == shown(SECRET)
    # Headers of the declaration go with each kind.
    assert sent["headers"]["X-Client"] == "rack"
    (line,) = _noted(world, PAID[kind], 1)
    told = {name: line[name] for name in ("key", "served", "instance", "provider", "status")}
    assert told == {
        "key": "all",
        "served": PAID[kind],
        "instance": "first",
        "provider": "first",
        "status": 200,
    }
    assert 0 < line["duration"] < 30


def _noted(world: World, model: str, count: int) -> list[dict[str, object]]:
    """The last lines of a model in the log of requests, once they are there."""
    end = time.monotonic() + 10
    while True:
        lines = [each for each in world.lines() if each["model"] == model]
        if len(lines) >= count or time.monotonic() > end:
            assert len(lines) == count
            return lines
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ["transcription", "rerank"])
def test_a_vllm_server_is_asked_in_the_same_form(world: World, kind: str) -> None:
    model = {"transcription": "heard", "rerank": "order"}[kind]
    assert answered(kind, world.ask(kind, model)) == f"vllm/{model}"
    assert world.sent("vllm")["headers"]["Authorization"] == shown(SECRET)


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_of_the_environment_is_sent(world: World, kind: str) -> None:
    assert world.ask(kind, f"open-{kind}").status_code == 200
    sent = world.sent("open")["headers"]
    assert sent["Authorization"] == shown("none")
    assert not [each for each in STRAY if f"stray-{each}" in str(sent)]
    assert "Openai-Organization" not in sent


@pytest.mark.parametrize("cause", ["500", "401", "refused", "cut", "hang"])
@pytest.mark.parametrize("kind", KINDS)
def test_another_instance_answers_when_the_first_one_fails(
    world: World, kind: str, cause: str
) -> None:
    world.others["third"].fail(cause)
    body = {"timeout": 3} if cause == "hang" else {}
    assert answered(kind, world.ask(kind, WATCHED[kind], **body)) == f"fourth/{WATCHED[kind]}"
