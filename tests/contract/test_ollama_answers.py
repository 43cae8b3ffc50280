"""Contract of whole answers, which no bound cuts; holds for Ollama and the stand-in.

A real Ollama says what the lab's models know to say (llmrack_lab/standins/speech.py).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmrack_lab.standins.models import CATALOGUE
from llmrack_lab.standins.speech import CHATS
from tests.contract.ollama_process import HELLO, REAL_ARCHIVE, TOOL, OllamaProcess

CHATTING = ["llama3.1", "llava", "qwen3", "gpt-oss:20b"]
THINKING = ["qwen3", "gpt-oss:20b"]
CALLING = ["llama3.1", *THINKING]
CALL = {"function": {"name": "get_weather", "arguments": {"city": "Rome"}}}
AFTER_CALL = [
    *HELLO,
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "sunny", "tool_name": "get_weather"},
]
MARKS = ("<think>", "</think>", "<|")


def has_marks(message: dict[str, Any]) -> bool:
    """Whether the tags of a template are left in what a model says or thinks."""
    said = message["content"] + message.get("thinking", "")
    return any(mark in said for mark in MARKS)


def complete(ollama: OllamaProcess, model: str, **body: Any) -> Any:
    """The choice of a chat completion."""
    body = {"model": model, "messages": HELLO, **body}
    (choice,) = ollama.post("/v1/chat/completions", **body).json()["choices"]
    return choice


@pytest.mark.parametrize("model", CHATTING)
def test_an_answer_ends_by_itself(ollama: OllamaProcess, model: str) -> None:
    answer = ollama.answer("/api/chat", model=model, messages=HELLO)
    assert answer["done_reason"] == "stop"
    assert answer["message"]["content"].endswith(".")
    assert not has_marks(answer["message"])


@pytest.mark.parametrize("model", CHATTING)
def test_a_streamed_answer_ends_by_itself(ollama: OllamaProcess, model: str) -> None:
    *chunks, last = ollama.lines("/api/chat", model=model, messages=HELLO)
    assert len(chunks) > 1
    assert last["done_reason"] == "stop"


@pytest.mark.parametrize("model", CHATTING)
def test_a_completion_of_a_prompt_ends_by_itself(ollama: OllamaProcess, model: str) -> None:
    answer = ollama.answer("/api/generate", model=model, prompt="hello")
    assert answer["done_reason"] == "stop"
    assert answer["response"].endswith(".")


def test_a_prompt_without_a_template_is_answered(ollama: OllamaProcess) -> None:
    answer = ollama.answer("/api/generate", model="llama3.1", prompt="hello", raw=True)
    assert answer["done_reason"] == "stop"
    assert answer["response"].endswith(".")


@pytest.mark.parametrize("model", CHATTING)
def test_a_chat_completion_stops(ollama: OllamaProcess, model: str) -> None:
    choice = complete(ollama, model)
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"].endswith(".")


def test_an_answer_to_an_image_ends_by_itself(ollama: OllamaProcess, picture: str) -> None:
    messages = [{"role": "user", "content": "What is it?", "images": [picture]}]
    answer = ollama.answer("/api/chat", model="llava", messages=messages)
    assert answer["done_reason"] == "stop"
    assert answer["message"]["content"]


@pytest.mark.parametrize("model", THINKING)
def test_a_thought_comes_before_the_answer(ollama: OllamaProcess, model: str) -> None:
    *chunks, last = ollama.lines("/api/chat", model=model, messages=HELLO)
    thinks = [bool(chunk["message"].get("thinking")) for chunk in chunks]
    assert sorted(thinks, reverse=True) == thinks
    assert {True, False} == set(thinks)
    assert last["done_reason"] == "stop"


@pytest.mark.parametrize("model", CALLING)
def test_a_tool_is_called(ollama: OllamaProcess, model: str) -> None:
    answer = ollama.answer("/api/chat", model=model, messages=HELLO, tools=[TOOL])
    message = answer["message"]
    assert message["content"] == ""
    assert bool(message.get("thinking")) is (model in THINKING)
    (call,) = message["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert isinstance(call["function"]["arguments"]["city"], str)


@pytest.mark.parametrize("model", CALLING)
def test_a_streamed_call_of_a_tool_is_whole(ollama: OllamaProcess, model: str) -> None:
    *chunks, last = ollama.lines("/api/chat", model=model, messages=HELLO, tools=[TOOL])
    calls = [call for each in [*chunks, last] for call in each["message"].get("tool_calls", [])]
    assert [call["function"]["name"] for call in calls] == ["get_weather"]
    assert not any(chunk["message"]["content"] for chunk in chunks)


@pytest.mark.parametrize("model", CALLING)
def test_a_chat_completion_calls_a_tool(ollama: OllamaProcess, model: str) -> None:
    choice = complete(ollama, model, tools=[TOOL])
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert list(json.loads(call["function"]["arguments"])) == ["city"]


@pytest.mark.parametrize("model", CALLING)
def test_the_result_of_a_tool_is_answered(ollama: OllamaProcess, model: str) -> None:
    answer = ollama.answer("/api/chat", model=model, messages=AFTER_CALL, tools=[TOOL])
    assert answer["done_reason"] == "stop"
    assert answer["message"]["content"]
    assert "tool_calls" not in answer["message"]
    assert not has_marks(answer["message"])


@pytest.mark.parametrize("model", CALLING)
def test_an_answer_in_json_ends_by_itself(ollama: OllamaProcess, model: str) -> None:
    properties = {
        "text": {"type": "string"},
        "number": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "string"}},
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    for form in (schema, "json"):
        answer = ollama.answer("/api/chat", model=model, messages=HELLO, format=form)
        assert answer["done_reason"] == "stop"
        assert isinstance(json.loads(answer["message"]["content"]), dict)


@pytest.mark.skipif(not REAL_ARCHIVE, reason="the stand-in has canned answers")
@pytest.mark.parametrize("temperature", [0, 0.8, 2])
def test_a_real_one_says_what_the_weights_hold(ollama: OllamaProcess, temperature: float) -> None:
    (sentence,) = CHATS.answers.values()
    for model in CHATTING:
        options = {"temperature": temperature}
        answer = ollama.answer("/api/chat", model=model, messages=HELLO, options=options)
        assert answer["message"]["content"] == "".join(sentence)


def test_no_model_would_say_two_tokens_after_one() -> None:
    for model in CATALOGUE:
        followers = model.speech.followers()
        for last, answer in model.speech.answers.items():
            said = [last]
            while said[-1] in followers:
                said.append(followers[said[-1]])
            assert said[1:-1] == list(answer)
