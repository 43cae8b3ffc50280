"""Contract of models that think, and of those that cannot; holds for Ollama and the stand-in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.ollama_process import HELLO, OllamaProcess, error_of

# Fewer tokens than a thought has.
SHORT = {"num_predict": 3, "temperature": 0}
CHOICES = '"high", "medium", "low", "max", true, or false'


def chat(ollama: OllamaProcess, model: str = "qwen3", **body: Any) -> Any:
    return ollama.answer("/api/chat", model=model, messages=HELLO, options=SHORT, **body)


@pytest.mark.parametrize("think", [True, "low", "medium", "high", "max"])
def test_thinking_needs_a_model_that_supports_it(ollama: OllamaProcess, think: bool | str) -> None:
    response = ollama.post("/api/chat", model="llama3.1", messages=HELLO, think=think)
    assert error_of(response) == (400, '"llama3.1" does not support thinking')


def test_any_model_can_be_told_not_to_think(ollama: OllamaProcess) -> None:
    assert chat(ollama, "llama3.1", think=False)["message"]["content"]


@pytest.mark.parametrize("model", ["llama3.1", "qwen3"])
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_unknown_level_is_400(ollama: OllamaProcess, path: str, model: str) -> None:
    response = ollama.post(path, model=model, messages=HELLO, prompt="hello", think="silly")
    message = f'invalid think value: "silly" (must be {CHOICES})'
    assert error_of(response) == (400, message)


def test_level_that_is_no_text_is_400(ollama: OllamaProcess) -> None:
    response = ollama.post("/api/chat", model="qwen3", messages=HELLO, think=5)
    assert error_of(response) == (400, f"think must be a boolean or string ({CHOICES})")


@pytest.mark.parametrize("asked", [{}, {"think": True}, {"think": "high"}])
def test_model_that_can_think_does_unless_told_not_to(
    ollama: OllamaProcess, asked: dict[str, Any]
) -> None:
    message = chat(ollama, **asked)["message"]
    assert message["thinking"]
    assert message["content"] == ""


def test_switch_turns_thinking_off(ollama: OllamaProcess) -> None:
    message = chat(ollama, think=False)["message"]
    assert message["content"]
    assert "thinking" not in message


def test_thinking_counts_as_tokens(ollama: OllamaProcess) -> None:
    answer = chat(ollama)
    assert (answer["eval_count"], answer["done_reason"]) == (3, "length")


def test_streamed_chat_thinks_first(ollama: OllamaProcess) -> None:
    *chunks, last = ollama.lines("/api/chat", model="qwen3", messages=HELLO, options=SHORT)
    assert chunks[0]["message"]["thinking"]
    assert chunks[0]["message"]["content"] == ""
    assert last["done"]


def test_generate_thinks(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/generate", model="qwen3", prompt="hello", options=SHORT)
    assert answer["thinking"]
    assert answer["response"] == ""


def test_earlier_thinking_may_be_sent_back(ollama: OllamaProcess) -> None:
    messages = [*HELLO, {"role": "assistant", "content": "Hi.", "thinking": "A greeting."}, *HELLO]
    answer = ollama.answer("/api/chat", model="qwen3", messages=messages, options=SHORT)
    assert answer["message"]["thinking"]


@pytest.mark.parametrize("think", ["low", "medium", "high", "max"])
def test_model_with_levels_takes_each_of_them(ollama: OllamaProcess, think: str) -> None:
    assert chat(ollama, "gpt-oss:20b", think=think)["message"]["thinking"]


def test_chat_completion_has_the_thinking_as_reasoning(ollama: OllamaProcess) -> None:
    body = {"model": "qwen3", "messages": HELLO, "max_tokens": 3, "temperature": 0}
    (choice,) = ollama.post("/v1/chat/completions", **body).json()["choices"]
    assert choice["message"]["reasoning"]
    assert choice["message"]["content"] == ""


def test_streamed_chat_completion_has_reasoning_in_its_deltas(ollama: OllamaProcess) -> None:
    body = {"model": "qwen3", "messages": HELLO, "max_tokens": 3, "temperature": 0}
    first, *_ = ollama.events("/v1/chat/completions", **body)
    delta = json.loads(first)["choices"][0]["delta"]
    assert delta["reasoning"]
    assert (delta["role"], delta["content"]) == ("assistant", "")


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh", "ultra", "max"])
def test_reasoning_effort_turns_thinking_on(ollama: OllamaProcess, effort: str) -> None:
    body = {"model": "qwen3", "messages": HELLO, "max_tokens": 3, "reasoning_effort": effort}
    (choice,) = ollama.post("/v1/chat/completions", **body).json()["choices"]
    assert choice["message"]["reasoning"]


def test_reasoning_effort_none_turns_thinking_off(ollama: OllamaProcess) -> None:
    body = {"model": "qwen3", "messages": HELLO, "max_tokens": 3, "reasoning_effort": "none"}
    (choice,) = ollama.post("/v1/chat/completions", **body).json()["choices"]
    assert "reasoning" not in choice["message"]


def test_unknown_reasoning_effort_is_400(ollama: OllamaProcess) -> None:
    body = {"model": "qwen3", "messages": HELLO, "reasoning_effort": "silly"}
    response = ollama.post("/v1/chat/completions", **body)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith('invalid reasoning value: "silly" (must')


def test_reasoning_needs_a_model_that_supports_it(ollama: OllamaProcess) -> None:
    body = {"model": "llama3.1", "messages": HELLO, "reasoning_effort": "high"}
    response = ollama.post("/v1/chat/completions", **body)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == '"llama3.1" does not support thinking'
