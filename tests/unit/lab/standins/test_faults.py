"""Faults that the providers' stand-ins show on command, as a client meets them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import openai
import pytest

from llmrack_lab.standins.ollama.faults import MODES
from llmrack_lab.standins.openai_like import MODELS, OpenAILike
from llmrack_lab.standins.program import StandIn
from llmrack_lab.standins.remote import MODELS as REMOTE_MODELS
from llmrack_lab.standins.remote import Attic
from tests.unit.running_standin import ANYWHERE, HELLO, KEY, Running

CHAT = {"model": "llama3.2", "messages": HELLO}


@pytest.fixture
def attic() -> Iterator[Running]:
    with StandIn(Attic(REMOTE_MODELS, KEY), ANYWHERE, ANYWHERE) as standin:
        yield Running(standin)


@pytest.fixture
def openai_like() -> Iterator[Running]:
    with StandIn(OpenAILike(MODELS, KEY), ANYWHERE, ANYWHERE) as standin:
        yield Running(standin)


def received(running: Running, **body: object) -> list[dict]:
    """The lines of a streamed chat, whose body has an end."""
    return [
        json.loads(x) for x in running.api.post("/api/chat", json=CHAT | body).text.split("\n") if x
    ]


@pytest.mark.parametrize("mode", ["401", "403", "429", "500", "503"])
def test_a_status_can_strike_inference_alone(attic: Running, mode: str) -> None:
    attic.fault(mode=mode, only="inference")
    assert attic.api.post("/api/chat", json=CHAT).status_code == int(mode)
    assert attic.api.get("/api/version").status_code == 200


def test_429_says_when_to_come_again(attic: Running) -> None:
    attic.fault(mode="429", seconds=7)
    assert attic.api.get("/api/tags").headers["Retry-After"] == "7"


def test_hang_of_inference_leaves_the_other_paths_alone(attic: Running) -> None:
    attic.fault(mode="hang", only="inference")
    with pytest.raises(httpx.ReadTimeout):
        attic.api.post("/api/chat", json=CHAT, timeout=0.3)
    assert attic.api.get("/api/version").status_code == 200


def test_a_fault_of_a_model_means_it_by_each_of_its_names(attic: Running) -> None:
    attic.fault(mode="500", model="llama3.2:latest")
    assert attic.api.post("/api/chat", json=CHAT).status_code == 500
    assert attic.api.post("/api/chat", json=CHAT | {"model": "llama3.2:1b"}).status_code == 200


def test_a_missing_model_is_not_found(attic: Running) -> None:
    attic.fault(mode="missing", model="llama3.2")
    refused = attic.api.post("/api/chat", json=CHAT)
    assert (refused.status_code, refused.json()) == (404, {"error": "model 'llama3.2' not found"})


def test_reset_ends_a_stream_with_a_reset_of_the_connection(attic: Running) -> None:
    attic.fault(mode="reset", after=2)
    lines: list[str] = []
    with (
        pytest.raises(httpx.ReadError, match="reset"),
        attic.api.stream("POST", "/api/chat", json=CHAT) as response,
    ):
        lines.extend(response.iter_lines())
    assert len(lines) <= 2


def test_truncate_ends_a_stream_in_good_order_without_its_last_chunk(attic: Running) -> None:
    attic.fault(mode="truncate", after=4)
    assert [line["done"] for line in received(attic)] == [False] * 4


def test_truncate_leaves_out_openais_end_too(openai_like: Running) -> None:
    openai_like.fault(mode="truncate", after=4)
    body = {"model": "gpt-4o", "messages": HELLO, "stream": True}
    text = openai_like.api.post("/v1/chat/completions", json=body).text
    assert text.count("data: ") == 4
    assert '"finish_reason": "stop"' not in text
    assert "[DONE]" not in text


def test_error_is_a_line_of_ollamas_stream(attic: Running) -> None:
    attic.fault(mode="error", after=2)
    *before, last = received(attic)
    assert [line["done"] for line in before] == [False, False]
    assert last.keys() == {"error"}


def test_error_is_an_event_of_openais_stream(openai_like: Running) -> None:
    openai_like.fault(mode="error", after=2)
    with pytest.raises(openai.APIError, match="stopped working"):
        list(
            openai_like.openai.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        )


def test_error_is_a_status_where_nothing_is_streamed(attic: Running) -> None:
    attic.fault(mode="error")
    assert attic.api.post("/api/chat", json=CHAT | {"stream": False}).status_code == 500


@pytest.mark.parametrize("stream", [True, False])
def test_slow_takes_its_time_for_each_token(attic: Running, stream: bool) -> None:
    attic.fault(mode="slow", seconds=0.05)
    began = time.monotonic()
    attic.api.post("/api/chat", json=CHAT | {"stream": stream, "options": {"num_predict": 4}})
    assert time.monotonic() - began >= 0.2


def test_load_delays_the_first_answer_of_a_model_alone(attic: Running) -> None:
    attic.fault(mode="load", seconds=2)
    took = []
    for _ in range(2):
        began = time.monotonic()
        assert attic.api.post("/api/chat", json=CHAT).status_code == 200
        took.append(time.monotonic() - began)
    assert took[0] >= 2 > took[1]
    (running,) = attic.api.get("/api/ps").json()["models"]
    assert running["name"] == "llama3.2:latest"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"mode": "sulk"}, "unknown mode 'sulk'"),
        ({"mode": "cut", "seconds": 1}, "cut knows no 'seconds': use model, only, after"),
        ({"mode": "refuse", "model": "llama3.2"}, "refuse knows no 'model': leave it out"),
        ({"mode": "slow", "seconds": -1}, "seconds is a number, 0 or more"),
        ({"mode": "cut", "after": 1.5}, "after is a number of chunks"),
        ({"mode": "500", "only": "chat"}, "only is 'all' or 'inference'"),
    ],
)
def test_what_is_wrong_with_a_fault_is_said(attic: Running, fault: dict, message: str) -> None:
    response = attic.control.post("/fault", json=fault)
    assert response.status_code == 400
    assert message in response.json()["error"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_ended_by_ok(attic: Running, mode: str) -> None:
    attic.fault(mode=mode)
    attic.fault(mode="ok")
    assert received(attic)[-1]["done"]
