"""The stand-ins of vLLM and of an OpenAI-like service, asked by real clients."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import openai
import pytest

from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.openai_like import MODELS as OPENAI_MODELS
from llmrack_lab.standins.openai_like import OpenAILike
from llmrack_lab.standins.vllm import VLLM
from tests.unit.running_standin import HELLO, KEY, PIXEL, WEATHER, Running, running


@pytest.fixture
def vllm() -> Iterator[Running]:
    yield from running(VLLM([Model("qwen"), Model("bge", dimensions=8)], ""))


@pytest.fixture
def openai_like() -> Iterator[Running]:
    yield from running(OpenAILike(OPENAI_MODELS, KEY))


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
        "message": "The model `gpt` does not exist. Valid aliases: qwen, bge.",
        "type": "NotFoundError",
        "param": "model",
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
    for path, model in (
        ("chat/completions", "bge"),
        ("completions", "bge"),
        ("embeddings", "qwen"),
    ):
        body = {"model": model, "messages": HELLO, "prompt": "a", "input": "a"}
        response = vllm.api.post(f"/v1/{path}", json=body)
        assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


def test_vllm_does_not_know_other_paths(vllm: Running) -> None:
    response = vllm.api.post("/v1/nothing", json={"model": "qwen"})
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


def test_vllm_refuses_a_prompt_over_its_context(vllm: Running) -> None:
    messages = [{"role": "user", "content": "a " * 40_000}]
    with pytest.raises(openai.BadRequestError, match="maximum context length is 32768") as caught:
        vllm.openai.chat.completions.create(model="qwen", messages=messages)
    assert caught.value.param == "input_tokens"
    assert caught.value.type == "BadRequestError"


def test_vllm_counts_the_tokens_that_are_asked_for(vllm: Running) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        vllm.openai.completions.create(model="qwen", prompt="hello", max_tokens=32768)
    assert caught.value.param == "input_tokens"


@pytest.mark.parametrize("temperature", [9, -1])
def test_vllm_refuses_a_temperature_that_there_is_not(vllm: Running, temperature: float) -> None:
    with pytest.raises(openai.BadRequestError, match="temperature must be in"):
        vllm.openai.chat.completions.create(model="qwen", messages=HELLO, temperature=temperature)


def test_vllm_refuses_a_chat_without_messages(vllm: Running) -> None:
    response = vllm.api.post("/v1/chat/completions", json={"model": "qwen"})
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "Bad Request"


def test_vllm_refuses_an_image_for_a_text_model(vllm: Running) -> None:
    url = {"url": f"data:image/png;base64,{PIXEL}"}
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]
    with pytest.raises(openai.BadRequestError, match="qwen is not a multimodal model") as caught:
        vllm.openai.chat.completions.create(model="qwen", messages=messages)
    assert caught.value.type == "BadRequestError"


def test_vllm_has_health_version_and_metrics(vllm: Running) -> None:
    assert vllm.api.get("/health").text == ""
    assert vllm.api.get("/version").json() == {"version": "0.0.0-standin"}
    assert 'vllm:num_requests_running{model_name="qwen"} 0.0' in vllm.api.get("/metrics").text


# OpenAI-like


def test_openai_like_lists_its_models(openai_like: Running) -> None:
    names = [model.id for model in openai_like.openai.models.list()]
    assert names[:3] == ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"]
    assert names[3:] == ["whisper-1", "tts-1", "dall-e-3", "gpt-image-1"]


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
    answer = openai_like.openai.chat.completions.create(
        model="gpt-4o", messages=HELLO, tools=[WEATHER], stream=stream
    )
    if stream:
        deltas = [chunk.choices[0] for chunk in answer]
        call, reason = deltas[1].delta.tool_calls[0], deltas[-1].finish_reason
    else:
        call, reason = answer.choices[0].message.tool_calls[0], answer.choices[0].finish_reason
    assert (call.function.name, reason) == ("weather", "tool_calls")
    assert json.loads(call.function.arguments) == {"city": "[openai gpt-4o]", "days": 1}


def test_openai_like_speaks_after_the_tool_answered(openai_like: Running) -> None:
    messages = [*HELLO, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}]
    answer = openai_like.openai.chat.completions.create(
        model="gpt-4o", messages=messages, tools=[WEATHER]
    )
    assert answer.choices[0].message.content.startswith("[openai gpt-4o]")


def test_openai_like_sees_images(openai_like: Running) -> None:
    url = {"url": f"data:image/png;base64,{PIXEL}"}
    content = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}]
    answer = openai_like.openai.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": content}]
    )
    assert "an image of 16 bytes" in answer.choices[0].message.content


def test_openai_like_fits_its_answer_to_a_json_schema(openai_like: Running) -> None:
    schema = {"type": "object", "properties": {"who": {"$ref": "#/$defs/W"}}}
    schema["$defs"] = {"W": {"enum": ["me", "you"]}}
    answer = openai_like.openai.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content) == {"who": "me"}


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_openai_like_embeds_in_both_encodings(openai_like: Running, encoding: str) -> None:
    body = {"model": "text-embedding-3-small", "input": "hello", "encoding_format": encoding}
    given = openai_like.api.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    size = len(given) if encoding == "float" else len(base64.b64decode(given)) // 4
    assert size == 1536
