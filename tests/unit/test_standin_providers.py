"""The stand-ins of Ollama Cloud, vLLM and an OpenAI-like service, asked by real clients."""

from __future__ import annotations

import base64
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

from llmrack.lab.standins.answers import Model
from llmrack.lab.standins.cloud import MODELS as CLOUD_MODELS
from llmrack.lab.standins.cloud import Cloud
from llmrack.lab.standins.openai_like import MODELS as OPENAI_MODELS
from llmrack.lab.standins.openai_like import OpenAILike
from llmrack.lab.standins.program import StandIn
from llmrack.lab.standins.provider import Provider
from llmrack.lab.standins.vllm import VLLM

KEY = "right-key"
ANYWHERE = ("127.0.0.1", 0)
PIXEL = base64.b64encode(b"not really a png").decode()
HELLO = [{"role": "user", "content": "hello there"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}


class Running:
    """A stand-in under test: its API as an HTTP and an OpenAI client, and its control port."""

    def __init__(self, standin: StandIn) -> None:
        self.standin = standin
        base = "http://{}:{}".format(*standin.address)
        self.api = httpx.Client(
            base_url=base, headers={"Authorization": f"Bearer {KEY}"}, timeout=5
        )
        self.control = httpx.Client(
            base_url="http://{}:{}".format(*standin.control_address), timeout=5
        )
        self.openai = openai.OpenAI(base_url=f"{base}/v1", api_key=KEY, max_retries=0, timeout=5)

    def fault(self, **fault: object) -> None:
        self.control.post("/fault", json=fault).raise_for_status()


def running(provider: Provider) -> Iterator[Running]:
    with StandIn(provider, ANYWHERE, ANYWHERE) as standin:
        yield Running(standin)


@pytest.fixture
def cloud() -> Iterator[Running]:
    yield from running(Cloud(CLOUD_MODELS, KEY))


@pytest.fixture
def vllm() -> Iterator[Running]:
    yield from running(VLLM([Model("qwen"), Model("bge", dimensions=8)], ""))


@pytest.fixture
def openai_like() -> Iterator[Running]:
    yield from running(OpenAILike(OPENAI_MODELS, KEY))


def lines(response: httpx.Response) -> list[dict]:
    return [json.loads(line) for line in response.text.splitlines()]


# Ollama Cloud


def test_cloud_lists_names_without_the_cloud_suffix(cloud: Running) -> None:
    names = [model["name"] for model in cloud.api.get("/api/tags").json()["models"]]
    assert {"gpt-oss:20b", "glm-4.6", "kimi-k2.5"} <= set(names)
    assert not [name for name in names if name.endswith("cloud")]


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", f"Basic {KEY}"])
def test_cloud_refuses_a_missing_or_wrong_key(cloud: Running, authorization: str) -> None:
    response = cloud.api.post("/api/chat", json={}, headers={"Authorization": authorization})
    assert (response.status_code, response.json()) == (401, {"error": "unauthorized"})


def test_cloud_lists_its_models_without_a_key(cloud: Running) -> None:
    assert cloud.api.get("/api/tags", headers={"Authorization": ""}).json()["models"]


def test_cloud_tells_its_version_without_a_key(cloud: Running) -> None:
    response = cloud.api.get("/api/version", headers={"Authorization": ""})
    assert response.json() == {"version": "0.0.0-standin"}


def test_cloud_streams_a_marked_answer_by_default(cloud: Running) -> None:
    response = cloud.api.post("/api/chat", json={"model": "gpt-oss:20b", "messages": HELLO})
    assert response.headers["Content-Type"] == "application/x-ndjson"
    parts = lines(response)
    text = "".join(part["message"]["content"] for part in parts)
    assert text.startswith("[cloud gpt-oss:20b] This is a stand-in of Ollama Cloud, not a model.")
    assert [part["done"] for part in parts] == [False] * (len(parts) - 1) + [True]


def test_cloud_ends_with_the_counts_of_ollama(cloud: Running) -> None:
    body = {"model": "glm-4.6", "messages": HELLO, "stream": False}
    last = cloud.api.post("/api/chat", json=body).json()
    assert last["done_reason"] == "stop"
    assert last["prompt_eval_count"] == 2
    assert 12 <= last["eval_count"] <= 40
    durations = [last[f"{part}_duration"] for part in ("total", "load", "prompt_eval", "eval")]
    assert all(isinstance(duration, int) and duration > 0 for duration in durations)


def test_cloud_honours_num_predict(cloud: Running) -> None:
    body = {"model": "glm-4.6", "prompt": "hi", "options": {"num_predict": 3}, "stream": False}
    last = cloud.api.post("/api/generate", json=body).json()
    assert last["response"] == "[cloud glm-4.6] This"
    assert (last["done_reason"], last["eval_count"]) == ("length", 3)


def test_cloud_calls_the_first_tool(cloud: Running) -> None:
    body = {"model": "glm-4.6", "messages": HELLO, "tools": [WEATHER], "stream": False}
    message = cloud.api.post("/api/chat", json=body).json()["message"]
    call = message["tool_calls"][0]["function"]
    assert call["name"] == "weather"
    assert call["arguments"] == {"city": "[cloud glm-4.6]", "days": 1}


def test_cloud_sees_images_with_a_vision_model(cloud: Running) -> None:
    messages = [{"role": "user", "content": "what?", "images": [PIXEL]}]
    body = {"model": "gemma3:27b", "messages": messages, "stream": False}
    assert "an image of 16 bytes" in cloud.api.post("/api/chat", json=body).text


def test_cloud_refuses_images_for_other_models(cloud: Running) -> None:
    body = {"model": "glm-4.6", "prompt": "what?", "images": [PIXEL]}
    assert cloud.api.post("/api/generate", json=body).status_code == 400


def test_cloud_fits_its_answer_to_a_format(cloud: Running) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "by": {"type": "string"}}}
    body = {"model": "glm-4.6", "messages": HELLO, "format": schema, "stream": False}
    content = cloud.api.post("/api/chat", json=body).json()["message"]["content"]
    assert json.loads(content) == {"n": 1, "by": "[cloud glm-4.6]"}


def test_cloud_loads_on_empty_messages(cloud: Running) -> None:
    body = {"model": "glm-4.6", "messages": [], "stream": False}
    assert cloud.api.post("/api/chat", json=body).json()["done_reason"] == "load"


@pytest.mark.parametrize("name", ["gpt-oss:20b-cloud", "glm-4.6:cloud", "nope"])
def test_cloud_does_not_know_other_names(cloud: Running, name: str) -> None:
    response = cloud.api.post("/api/chat", json={"model": name, "messages": HELLO})
    assert (response.status_code, response.json()) == (404, {"error": f"model '{name}' not found"})


def test_cloud_does_not_serve_a_doubled_api_path(cloud: Running) -> None:
    body = {"model": "glm-4.6", "messages": HELLO}
    assert cloud.api.post("/api/api/chat", json=body).status_code == 404


@pytest.mark.parametrize(("model", "status"), [("glm-4.6", 400), ("nomic-embed-text", 404)])
def test_cloud_does_not_embed(cloud: Running, model: str, status: int) -> None:
    response = cloud.api.post("/api/embed", json={"model": model, "input": "x"})
    assert response.status_code == status


def test_cloud_shows_capabilities(cloud: Running) -> None:
    shown = cloud.api.post("/api/show", json={"model": "gemma3:27b"}).json()
    assert shown["capabilities"] == ["completion", "tools", "vision"]


def test_cloud_speaks_the_openai_form_too(cloud: Running) -> None:
    said = cloud.openai.chat.completions.create(model="gpt-oss:120b", messages=HELLO)
    assert said.choices[0].message.content.startswith("[cloud gpt-oss:120b]")


# vLLM


def test_vllm_needs_no_key_unless_it_has_one(vllm: Running) -> None:
    response = vllm.api.get("/v1/models", headers={"Authorization": ""})
    entry = response.json()["data"][0]
    assert (entry["id"], entry["owned_by"]) == ("qwen", "vllm")


def test_vllm_with_a_key_guards_v1_alone() -> None:
    for vllm in running(VLLM([Model("qwen")], KEY)):
        bare = {"Authorization": "Bearer other"}
        assert vllm.api.get("/v1/models").status_code == 200
        refused = vllm.api.get("/v1/models", headers=bare)
        assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"})
        assert vllm.api.get("/health", headers=bare).status_code == 200


def test_vllm_words_an_unknown_model_as_vllm_does(vllm: Running) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        vllm.openai.chat.completions.create(model="gpt", messages=HELLO)
    assert caught.value.body == {
        "message": "The model `gpt` does not exist.",
        "type": "NotFoundError",
        "param": None,
        "code": 404,
    }


def test_vllm_chats_completes_and_embeds(vllm: Running) -> None:
    chat = vllm.openai.chat.completions.create(model="qwen", messages=HELLO)
    assert chat.choices[0].message.content.startswith("[vllm qwen] This is a stand-in of vLLM")
    plain = vllm.openai.completions.create(model="qwen", prompt="hello", max_tokens=2)
    assert (plain.choices[0].text, plain.choices[0].finish_reason) == ("[vllm qwen]", "length")
    vectors = vllm.openai.embeddings.create(model="bge", input=["a", "b"])
    assert [len(item.embedding) for item in vectors.data] == [8, 8]


def test_vllm_keeps_chat_and_embedding_models_apart(vllm: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="does not support Chat Completions"):
        vllm.openai.chat.completions.create(model="bge", messages=HELLO)
    with pytest.raises(openai.BadRequestError, match="does not support Embeddings"):
        vllm.openai.embeddings.create(model="qwen", input="a")


def test_vllm_has_health_version_and_metrics(vllm: Running) -> None:
    assert vllm.api.get("/health").text == ""
    assert vllm.api.get("/version").json() == {"version": "0.0.0-standin"}
    assert 'vllm:num_requests_running{model_name="qwen"} 0.0' in vllm.api.get("/metrics").text


# OpenAI-like


def test_openai_like_lists_its_models(openai_like: Running) -> None:
    names = [model.id for model in openai_like.openai.models.list()]
    assert names == ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"]


def test_openai_like_refuses_a_wrong_key_without_repeating_it(openai_like: Running) -> None:
    client = openai_like.openai.with_options(api_key="wrong-key")
    with pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert caught.value.code == "invalid_api_key"
    assert "wrong-key" not in str(caught.value)


def test_openai_like_names_an_unknown_model(openai_like: Running) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        openai_like.openai.chat.completions.create(model="gpt-9", messages=HELLO)
    assert caught.value.code == "model_not_found"


def test_openai_like_streams_with_usage_last(openai_like: Running) -> None:
    stream = openai_like.openai.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.startswith("[openai gpt-4o]")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], len(text.split()))


@pytest.mark.parametrize("stream", [False, True])
def test_openai_like_calls_a_tool(openai_like: Running, stream: bool) -> None:
    said = openai_like.openai.chat.completions.create(
        model="gpt-4o", messages=HELLO, tools=[WEATHER], stream=stream
    )
    if stream:
        deltas = [chunk.choices[0] for chunk in said]
        call, reason = deltas[1].delta.tool_calls[0], deltas[-1].finish_reason
    else:
        call, reason = said.choices[0].message.tool_calls[0], said.choices[0].finish_reason
    assert (call.function.name, reason) == ("weather", "tool_calls")
    assert json.loads(call.function.arguments) == {"city": "[openai gpt-4o]", "days": 1}


def test_openai_like_speaks_after_the_tool_answered(openai_like: Running) -> None:
    messages = [*HELLO, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    said = openai_like.openai.chat.completions.create(
        model="gpt-4o", messages=messages, tools=[WEATHER]
    )
    assert said.choices[0].message.content.startswith("[openai gpt-4o]")


def test_openai_like_sees_images(openai_like: Running) -> None:
    url = {"url": f"data:image/png;base64,{PIXEL}"}
    content = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}]
    said = openai_like.openai.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": content}]
    )
    assert "an image of 16 bytes" in said.choices[0].message.content


def test_openai_like_fits_its_answer_to_a_json_schema(openai_like: Running) -> None:
    schema = {"type": "object", "properties": {"who": {"$ref": "#/$defs/W"}}}
    schema["$defs"] = {"W": {"enum": ["me", "you"]}}
    said = openai_like.openai.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert json.loads(said.choices[0].message.content) == {"who": "me"}


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_openai_like_embeds_in_both_encodings(openai_like: Running, encoding: str) -> None:
    body = {"model": "text-embedding-3-small", "input": "hello", "encoding_format": encoding}
    given = openai_like.api.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    size = len(given) if encoding == "float" else len(base64.b64decode(given)) // 4
    assert size == 1536


# Faults and the control port


def test_control_says_that_it_is_a_stand_in(cloud: Running) -> None:
    said = cloud.control.get("/").json()
    assert (said["standin"], said["mode"]) == ("cloud", "ok")
    assert said["honest"] == "a stand-in, not Ollama Cloud"
    assert "gpt-oss:20b" in said["models"]


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
    said = openai_like.openai.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert said.choices[0].message.content.startswith("[openai gpt-4o-mini]")
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
        [sys.executable, "-m", f"llmrack.lab.standins.{module}", *arguments],
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
        assert process.wait(timeout=5) == 0
    finally:
        process.kill()
        process.communicate()


def test_it_says_which_port_is_taken(vllm: Running) -> None:
    taken = "{}:{}".format(*vllm.standin.address)
    process = program("vllm", "--listen", taken, "--control", "127.0.0.1:0")
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "Address already in use" in errors
    assert taken in errors


def test_cloud_does_not_start_without_the_key_to_accept() -> None:
    process = program("cloud", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0")
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert errors.startswith("STANDIN_API_KEY is not set")
