"""The stand-in of Ollama Cloud, asked by real clients."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from llmrack_lab.standins.cloud import MODELS as CLOUD_MODELS
from llmrack_lab.standins.cloud import Cloud
from tests.unit.running_standin import HELLO, KEY, PIXEL, WEATHER, Running, running


@pytest.fixture
def cloud() -> Iterator[Running]:
    yield from running(Cloud(CLOUD_MODELS, KEY))


def lines(response: httpx.Response) -> list[dict]:
    return [json.loads(line) for line in response.text.splitlines()]


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


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"options": {"stop": "\n"}}, 500, 'option "stop" must be of type array'),
        ({"options": {"temperature": "hot"}}, 500, 'option "temperature" must be of type float32'),
        (
            {"messages": "hello"},
            400,
            "json: cannot unmarshal string into Go struct field ChatRequest.messages of type "
            "[]api.Message",
        ),
        (
            {"think": "silly"},
            400,
            'invalid think value: "silly" (must be "high", "medium", "low", "max", true, or false)',
        ),
    ],
)
def test_cloud_refuses_wrong_types_as_ollama_does(
    cloud: Running, body: dict, status: int, error: str
) -> None:
    response = cloud.api.post("/api/chat", json={"model": "glm-4.6", "messages": HELLO, **body})
    assert (response.status_code, response.json()) == (status, {"error": error})


def test_cloud_refuses_wrong_types_in_the_openai_form(cloud: Running) -> None:
    body = {"model": "glm-4.6", "messages": HELLO, "temperature": "hot"}
    response = cloud.api.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("json: cannot unmarshal string into Go")


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
    answer = cloud.openai.chat.completions.create(model="gpt-oss:120b", messages=HELLO)
    assert answer.choices[0].message.content.startswith("[cloud gpt-oss:120b]")
