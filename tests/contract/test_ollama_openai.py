"""Contract of the OpenAI form under /v1; holds for Ollama and the stand-in."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.contract.ollama_process import HELLO, TOOL, OllamaProcess


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return response.status_code, error["type"], error["message"]


def chat(ollama: OllamaProcess, **body: Any) -> Any:
    request = {"model": "llama3.1", "messages": HELLO, "max_tokens": 4, "temperature": 0, **body}
    response = ollama.post("/v1/chat/completions", **request)
    assert response.status_code == 200, response.text
    return response.json()


def test_models_lists_what_tags_lists(ollama: OllamaProcess) -> None:
    answer = ollama.get("/v1/models")
    assert answer["object"] == "list"
    assert {model["id"] for model in answer["data"]} == ollama.names()
    (model,) = (model for model in answer["data"] if model["id"] == "llama3.1:latest")
    assert (model["object"], model["owned_by"]) == ("model", "library")
    assert model["created"] > 1_500_000_000


def test_one_model_can_be_asked_for(ollama: OllamaProcess) -> None:
    answer = ollama.get("/v1/models/llama3.1:latest")
    assert (answer["id"], answer["object"]) == ("llama3.1:latest", "model")


def test_missing_model_is_not_found(ollama: OllamaProcess) -> None:
    message = "model 'nothing:latest' not found"
    assert error_of(ollama.client.get("/v1/models/nothing")) == (404, "not_found_error", message)


def test_chat_completion_with_a_missing_model_is_404(ollama: OllamaProcess) -> None:
    message = "model 'nothing' not found"
    response = ollama.post("/v1/chat/completions", model="nothing", messages=HELLO)
    assert error_of(response) == (404, "not_found_error", message)


def test_chat_completion_has_a_choice_and_usage(ollama: OllamaProcess) -> None:
    answer = chat(ollama)
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    assert answer["model"] == "llama3.1"
    assert answer["system_fingerprint"] == "fp_ollama"
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "length")
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    usage = answer["usage"]
    assert usage["completion_tokens"] == 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_streamed_chat_completion_ends_with_usage_and_done(ollama: OllamaProcess) -> None:
    *chunks, usage, done = ollama.events(
        "/v1/chat/completions",
        model="llama3.1",
        messages=HELLO,
        max_tokens=4,
        temperature=0,
        stream_options={"include_usage": True},
    )
    assert done == "[DONE]"
    parsed = [json.loads(chunk) for chunk in chunks]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in parsed)
    deltas = [chunk["choices"][0]["delta"] for chunk in parsed]
    assert "".join(delta.get("content", "") for delta in deltas)
    assert deltas[-1] == {}
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in parsed]
    assert reasons == [None] * (len(parsed) - 1) + ["length"]
    assert json.loads(usage)["choices"] == []
    assert json.loads(usage)["usage"]["completion_tokens"] == 4


def test_streamed_chat_completion_has_the_role_in_its_first_chunk_alone(
    ollama: OllamaProcess,
) -> None:
    *chunks, _ = ollama.events(
        "/v1/chat/completions", model="llama3.1", messages=HELLO, max_tokens=4, temperature=0
    )
    roles = [json.loads(chunk)["choices"][0]["delta"].get("role") for chunk in chunks]
    assert roles == ["assistant"] + [None] * (len(chunks) - 1)


def test_streamed_chat_completion_has_no_usage_unless_asked(ollama: OllamaProcess) -> None:
    *chunks, done = ollama.events(
        "/v1/chat/completions", model="llama3.1", messages=HELLO, max_tokens=4, temperature=0
    )
    assert done == "[DONE]"
    assert all(json.loads(chunk).get("usage") is None for chunk in chunks)


def test_chat_completion_without_messages_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/v1/chat/completions", model="llama3.1", messages=[])
    message = "[] is too short - 'messages'"
    assert error_of(response) == (400, "invalid_request_error", message)


def test_chat_completion_takes_an_image_as_data(ollama: OllamaProcess, picture: str) -> None:
    url = {"url": f"data:image/png;base64,{picture}"}
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": url}]
    answer = chat(ollama, model="llava", messages=[{"role": "user", "content": parts}])
    assert answer["choices"][0]["message"]["content"]


def test_chat_completion_does_not_fetch_images(ollama: OllamaProcess) -> None:
    part = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}
    response = ollama.post(
        "/v1/chat/completions", model="llava", messages=[{"role": "user", "content": [part]}]
    )
    assert error_of(response)[:2] == (400, "invalid_request_error")
    assert "image URLs are not currently supported" in error_of(response)[2]


def test_chat_completion_with_tools_needs_a_model_that_supports_them(
    ollama: OllamaProcess,
) -> None:
    response = ollama.post("/v1/chat/completions", model="llava", messages=HELLO, tools=[TOOL])
    message = "registry.ollama.ai/library/llava:latest does not support tools"
    assert error_of(response) == (400, "invalid_request_error", message)


def test_chat_completion_takes_tool_results(ollama: OllamaProcess) -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Rome"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
    ]
    assert chat(ollama, messages=messages, tools=[TOOL])["choices"][0]["message"]["content"]


def test_chat_completion_in_a_json_schema_fits_it(ollama: OllamaProcess) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    answer = chat(ollama, response_format=wanted, max_tokens=200)
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"])["ok"], bool)


def test_completion_has_a_choice_and_usage(ollama: OllamaProcess) -> None:
    response = ollama.post(
        "/v1/completions", model="llama3.1", prompt="hello", max_tokens=4, temperature=0
    )
    answer = response.json()
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"]
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 4


def test_completion_streams(ollama: OllamaProcess) -> None:
    *chunks, done = ollama.events(
        "/v1/completions", model="llama3.1", prompt="hello", max_tokens=4, temperature=0
    )
    assert done == "[DONE]"
    assert all(json.loads(chunk)["object"] == "text_completion" for chunk in chunks)


def test_completion_that_streams_ends_with_usage_when_asked(ollama: OllamaProcess) -> None:
    *chunks, usage, _ = ollama.events(
        "/v1/completions",
        model="llama3.1",
        prompt="hello",
        max_tokens=4,
        temperature=0,
        stream_options={"include_usage": True},
    )
    assert all(json.loads(chunk)["usage"]["total_tokens"] == 0 for chunk in chunks)
    assert json.loads(usage)["choices"] == []
    assert json.loads(usage)["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize("stop", ["\n", ["\n"]])
def test_chat_completion_takes_a_stop_that_is_a_text(
    ollama: OllamaProcess, stop: str | list[str]
) -> None:
    assert chat(ollama, stop=stop)["object"] == "chat.completion"


def test_chat_completion_gives_logprobs(ollama: OllamaProcess) -> None:
    (choice,) = chat(ollama, logprobs=True, top_logprobs=2)["choices"]
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    assert all(len(entry["top_logprobs"]) == 2 for entry in entries)


def test_streamed_chat_completion_gives_logprobs(ollama: OllamaProcess) -> None:
    body = {"model": "llama3.1", "messages": HELLO, "max_tokens": 4, "temperature": 0}
    *chunks, finish, _ = ollama.events("/v1/chat/completions", **body, logprobs=True)
    choices = [json.loads(chunk)["choices"][0] for chunk in chunks]
    assert all(len(choice["logprobs"]["content"]) == 1 for choice in choices)
    assert "logprobs" not in json.loads(finish)["choices"][0]


def test_embeddings_have_the_models_dimension(ollama: OllamaProcess) -> None:
    response = ollama.post("/v1/embeddings", model="all-minilm", input=["a", "b"])
    answer = response.json()
    assert (answer["object"], answer["model"]) == ("list", "all-minilm")
    assert [(each["object"], each["index"]) for each in answer["data"]] == [
        ("embedding", 0),
        ("embedding", 1),
    ]
    assert [len(each["embedding"]) for each in answer["data"]] == [384, 384]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0


def test_embeddings_come_packed_when_asked(ollama: OllamaProcess) -> None:
    response = ollama.post(
        "/v1/embeddings", model="all-minilm", input="a", encoding_format="base64"
    )
    packed = response.json()["data"][0]["embedding"]
    assert len(base64.b64decode(packed)) == 4 * 384


@pytest.mark.parametrize("given", [None, []])
def test_embeddings_without_input_are_400(ollama: OllamaProcess, given: Any) -> None:
    response = ollama.post("/v1/embeddings", model="all-minilm", input=given)
    assert error_of(response) == (400, "invalid_request_error", "invalid input")
