"""Contract of the forms of OpenAI's responses and Anthropic's messages, and of transcriptions.

They hold for Ollama and the stand-in.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.ollama_process import HELLO, OllamaProcess

MESSAGE = {"model": "llama3.1", "max_tokens": 4, "temperature": 0, "messages": HELLO}
RESPONSE = {"model": "llama3.1", "input": "hello", "max_output_tokens": 4, "temperature": 0}


def named_events(ollama: OllamaProcess, path: str, **body: Any) -> list[dict[str, Any]]:
    """The data of events that have a name, which has to be the data's type."""
    with ollama.client.stream("POST", path, json={**body, "stream": True}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        parts = [part.splitlines() for part in response.read().decode().split("\n\n") if part]
    found = []
    for name, data in parts:
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def types(events: list[dict[str, Any]]) -> list[str]:
    """The types of events, each once where it comes several times in a row."""
    found = [event["type"] for event in events]
    return [kind for kind, before in zip(found, ["", *found], strict=False) if kind != before]


# Anthropic's messages


def test_message_has_a_text_and_usage(ollama: OllamaProcess) -> None:
    answer = ollama.post("/v1/messages", **MESSAGE).json()
    assert answer["id"].startswith("msg_")
    assert (answer["type"], answer["role"], answer["model"]) == ("message", "assistant", "llama3.1")
    (block,) = answer["content"]
    assert block["type"] == "text"
    assert block["text"]
    assert answer["stop_reason"] == "max_tokens"
    assert answer["usage"]["input_tokens"] > 0
    assert answer["usage"]["output_tokens"] == 4


def test_message_streams(ollama: OllamaProcess) -> None:
    events = named_events(ollama, "/v1/messages", **MESSAGE)
    assert types(events) == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert events[0]["message"]["content"] == []
    assert events[1]["content_block"] == {"type": "text", "text": ""}
    assert "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta")
    assert events[-2]["delta"] == {"stop_reason": "max_tokens"}
    assert events[-2]["usage"]["output_tokens"] == 4


def test_message_thinks_in_a_block_before_its_text(ollama: OllamaProcess) -> None:
    body = {**MESSAGE, "model": "qwen3"}
    answer = ollama.post("/v1/messages", **body).json()
    assert [block["type"] for block in answer["content"]] == ["thinking"]
    assert answer["content"][0]["thinking"]
    events = named_events(ollama, "/v1/messages", **body)
    assert events[1]["content_block"] == {"type": "thinking", "thinking": ""}
    assert events[2]["delta"]["type"] == "thinking_delta"


def test_message_does_not_think_when_told_not_to(ollama: OllamaProcess) -> None:
    body = {**MESSAGE, "model": "qwen3", "thinking": {"type": "disabled"}}
    answer = ollama.post("/v1/messages", **body).json()
    assert [block["type"] for block in answer["content"]] == ["text"]


def test_message_of_a_model_that_cannot_think_is_answered_without(ollama: OllamaProcess) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    answer = ollama.post("/v1/messages", **MESSAGE, thinking=thinking).json()
    assert [block["type"] for block in answer["content"]] == ["text"]


def test_message_takes_blocks_and_results_of_tools(ollama: OllamaProcess) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    tool = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
    body = {**MESSAGE, "system": "Be brief.", "messages": messages, "tools": [tool]}
    assert ollama.post("/v1/messages", **body).status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model", "", "model is required"),
        ("max_tokens", 0, "max_tokens is required and must be positive"),
        ("messages", [], "messages is required"),
    ],
)
def test_message_without_what_it_needs_is_400(
    ollama: OllamaProcess, field: str, value: Any, message: str
) -> None:
    response = ollama.post("/v1/messages", **{**MESSAGE, field: value})
    answer = response.json()
    assert (response.status_code, answer["type"]) == (400, "error")
    assert answer["error"] == {"type": "invalid_request_error", "message": message}
    assert answer["request_id"].startswith("req_")


@pytest.mark.parametrize("stream", [True, False])
def test_message_with_a_missing_model_is_404(ollama: OllamaProcess, stream: bool) -> None:
    response = ollama.post("/v1/messages", **{**MESSAGE, "model": "nothing"}, stream=stream)
    assert response.status_code == 404
    error = {"type": "not_found_error", "message": "model 'nothing' not found"}
    assert response.json()["error"] == error


# OpenAI's responses


def test_response_has_a_message_and_usage(ollama: OllamaProcess) -> None:
    answer = ollama.post("/v1/responses", **RESPONSE).json()
    assert answer["id"].startswith("resp_")
    assert (answer["object"], answer["status"]) == ("response", "completed")
    (item,) = answer["output"]
    assert (item["type"], item["role"]) == ("message", "assistant")
    assert item["content"][0]["type"] == "output_text"
    assert item["content"][0]["text"]
    assert answer["usage"]["output_tokens"] == 4


def test_response_streams(ollama: OllamaProcess) -> None:
    events = named_events(ollama, "/v1/responses", **RESPONSE)
    assert types(events) == [
        *("response.created", "response.in_progress"),
        *("response.output_item.added", "response.content_part.added"),
        *("response.output_text.delta", "response.output_text.done"),
        *("response.content_part.done", "response.output_item.done", "response.completed"),
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    (item,) = events[-1]["response"]["output"]
    assert item["content"][0]["text"] == text
    assert events[-1]["response"]["usage"]["output_tokens"] == 4


def test_response_thinks_in_an_item_before_its_message(ollama: OllamaProcess) -> None:
    body = {**RESPONSE, "model": "qwen3"}
    first, *_ = ollama.post("/v1/responses", **body).json()["output"]
    assert first["type"] == "reasoning"
    assert first["summary"][0]["text"]
    events = named_events(ollama, "/v1/responses", **body)
    assert types(events)[2:6] == [
        *("response.output_item.added", "response.reasoning_summary_text.delta"),
        *("response.reasoning_summary_text.done", "response.output_item.done"),
    ]


def test_response_takes_items_and_results_of_tools(ollama: OllamaProcess) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"}
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
        call,
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ]
    body = {**RESPONSE, "input": items, "instructions": "Be brief."}
    assert ollama.post("/v1/responses", **body).json()["status"] == "completed"


def test_response_to_an_unknown_item_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/v1/responses", **{**RESPONSE, "input": [{"type": "nonsense"}]})
    assert response.status_code == 400
    message = 'input[0]: unknown input item type: "nonsense"'
    assert response.json()["error"]["message"] == message


def test_response_with_a_missing_model_is_404(ollama: OllamaProcess) -> None:
    response = ollama.post("/v1/responses", **{**RESPONSE, "model": "nothing"})
    assert response.status_code == 404
    assert response.json()["error"]["message"] == "model 'nothing' not found"


# Transcriptions

WAV = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80>\0\0\0}\0\0\x02\0\x10\0data\0\0\0\0"


@pytest.mark.parametrize(
    ("fields", "content", "message"),
    [
        ({}, WAV, "model is required"),
        ({"model": "llama3.1"}, b"", "audio file is empty"),
        ({"model": "llama3.1"}, None, "file is required: http: no such file"),
    ],
)
def test_transcription_without_what_it_needs_is_400(
    ollama: OllamaProcess, fields: dict[str, str], content: bytes | None, message: str
) -> None:
    other = ("other", ("x.wav", WAV))
    files = [other if content is None else ("file", ("a.wav", content))]
    response = ollama.client.post("/v1/audio/transcriptions", data=fields, files=files)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == message


def test_transcription_that_is_no_form_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/v1/audio/transcriptions", model="llama3.1")
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("failed to parse multipart form: ")


def test_transcription_by_a_model_without_ears_is_400(ollama: OllamaProcess) -> None:
    response = ollama.client.post(
        "/v1/audio/transcriptions", data={"model": "llama3.1"}, files={"file": ("a.wav", WAV)}
    )
    assert response.status_code == 400
    assert "does not support multimodal requests" in response.json()["error"]["message"]
