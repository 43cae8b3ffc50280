"""What the stand-ins of all providers share: faults, their control port, how they run."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
import trustme

from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.cloud import MODELS as CLOUD_MODELS
from llmrack_lab.standins.cloud import Cloud
from llmrack_lab.standins.openai_like import MODELS as OPENAI_MODELS
from llmrack_lab.standins.openai_like import OpenAILike
from llmrack_lab.standins.vllm import VLLM
from tests import DEADLINE
from tests.unit.running_standin import HELLO, KEY, Running, running


@pytest.fixture
def cloud() -> Iterator[Running]:
    yield from running(Cloud(CLOUD_MODELS, KEY))


@pytest.fixture
def vllm() -> Iterator[Running]:
    yield from running(VLLM([Model("qwen"), Model("bge", dimensions=8)], ""))


@pytest.fixture
def openai_like() -> Iterator[Running]:
    yield from running(OpenAILike(OPENAI_MODELS, KEY))


# Faults and the control port


def test_control_says_that_it_is_a_stand_in(cloud: Running) -> None:
    state = cloud.control.get("/").json()
    assert (state["standin"], state["mode"]) == ("cloud", "ok")
    assert state["honest"] == "a stand-in, not Ollama Cloud"
    assert "gpt-oss:20b" in state["models"]


def test_requests_are_remembered_without_the_token(cloud: Running) -> None:
    body = {"model": "glm-4.6", "messages": HELLO}
    cloud.api.post("/api/chat", json=body)
    response = cloud.control.get("/requests")
    assert KEY not in response.text
    (entry,) = response.json()
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert entry["headers"]["Authorization"] == f"Bearer sha256:{digest}"
    seen = [entry[key] for key in ("method", "path", "model", "status", "body")]
    assert seen == ["POST", "/api/chat", "glm-4.6", 200, body]


def test_requests_can_be_forgotten(cloud: Running) -> None:
    cloud.api.get("/api/tags")
    cloud.control.delete("/requests")
    assert cloud.control.get("/requests").json() == []


def test_refuse_closes_the_port_and_ok_opens_it_again(cloud: Running) -> None:
    cloud.api.get("/api/tags")
    cloud.fault(mode="refuse")
    with pytest.raises(httpx.ConnectError):
        cloud.api.get("/api/tags")
    cloud.fault(mode="ok")
    assert cloud.api.get("/api/tags").status_code == 200


@pytest.mark.parametrize("mode", ["401", "429", "500"])
def test_a_status_is_answered_in_the_provider_s_form(openai_like: Running, mode: str) -> None:
    openai_like.fault(mode=mode)
    response = openai_like.api.get("/v1/models")
    assert response.status_code == int(mode)
    assert response.json()["error"]["message"]
    assert response.headers.get("Retry-After") == ("2" if mode == "429" else None)


def test_a_fault_can_strike_one_model_alone(openai_like: Running) -> None:
    openai_like.fault(mode="500", model="gpt-4o")
    answer = openai_like.openai.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content.startswith("[openai gpt-4o-mini]")
    with pytest.raises(openai.InternalServerError):
        openai_like.openai.chat.completions.create(model="gpt-4o", messages=HELLO)


def test_hang_never_answers(vllm: Running) -> None:
    vllm.fault(mode="hang")
    with pytest.raises(httpx.ReadTimeout):
        vllm.api.get("/v1/models", timeout=0.3)
    assert vllm.control.get("/requests").json()[0]["status"] is None


def test_hang_after_some_chunks_goes_on_when_the_fault_ends(vllm: Running) -> None:
    vllm.fault(mode="hang", after=3)
    body = {"model": "qwen", "messages": HELLO, "stream": True}
    with vllm.api.stream("POST", "/v1/chat/completions", json=body) as response:
        received = response.iter_lines()
        assert next(received).startswith("data: ")
        vllm.fault(mode="ok")
        assert [line for line in received if line][-1] == "data: [DONE]"


def test_cut_drops_a_stream_after_the_chunks_asked_for(cloud: Running) -> None:
    cloud.fault(mode="cut", after=2)
    parts: list[dict] = []
    body = {"model": "glm-4.6", "messages": HELLO}
    with (
        pytest.raises(httpx.RemoteProtocolError),
        cloud.api.stream("POST", "/api/chat", json=body) as response,
    ):
        parts.extend(json.loads(line) for line in response.iter_lines())
    assert len(parts) <= 2
    assert not [part for part in parts if part["done"]]


def test_cut_drops_a_plain_answer_half_way(cloud: Running) -> None:
    cloud.fault(mode="cut")
    with pytest.raises(httpx.RemoteProtocolError):
        cloud.api.get("/api/tags")


@pytest.mark.parametrize(
    "fault", [{"mode": "sulk"}, {}, {"mode": "cut", "after": "x"}, {"mode": "ok", "for": 1}]
)
def test_a_fault_that_does_not_exist_is_refused(cloud: Running, fault: dict) -> None:
    response = cloud.control.post("/fault", json=fault)
    assert response.status_code == 400
    assert cloud.control.get("/").json()["mode"] == "ok"


# As programs


def program(module: str, *arguments: str, key: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"llmrack_lab.standins.{module}", *arguments],
        env=os.environ | {"STANDIN_API_KEY": key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_serves_by_tls_and_stops_on_sigterm(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    key, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    certificate.private_key_pem.write_to_path(str(key))
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    anywhere = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]
    process = program("cloud", *anywhere, "--cert", str(chain), "--key", str(key), key=KEY)
    try:
        address = process.stdout.readline().split(" on ")[1].partition(",")[0]
        assert address.startswith("https://")
        headers = {"Authorization": f"Bearer {KEY}"}
        response = httpx.get(f"{address}/api/tags", headers=headers, verify=context)
        assert response.status_code == 200
        process.terminate()
        assert process.wait(timeout=DEADLINE) == 0
    finally:
        process.kill()
        process.communicate()


def test_it_says_which_port_is_taken(vllm: Running) -> None:
    taken = "{}:{}".format(*vllm.standin.address)
    process = program("vllm", "--listen", taken, "--control", "127.0.0.1:0")
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "Address already in use" in errors
    assert taken in errors


def test_cloud_does_not_start_without_the_key_to_accept() -> None:
    process = program("cloud", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0")
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert errors.startswith("STANDIN_API_KEY is not set")
