"""The dialects in which clients ask the gateway, each plain and streamed, by official SDKs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai

from tests.lab.gateway_process import KEY

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "Weather of a city", "parameters": SCHEMA}
CITY = {"city": "Köln"}
MARK = f"What is the weather? [call get_weather {json.dumps(CITY, ensure_ascii=False)}]"
RESULT = "It is raining."


@dataclass
class Answer:
    """What a client gets.

    + calls: of tools: id, name, arguments
    + thoughts: what it thought before
    + reason: why it ended, in the dialect's own words
    + tokens: of the prompt, and of the answer
    + raw: what the client sends back when the conversation goes on
    """

    text: str = ""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    thoughts: str = ""
    reason: str | None = None
    tokens: tuple[int, int] = (0, 0)
    raw: list[dict[str, Any]] = field(default_factory=list)


class Dialect:
    """One of them.

    + url: of the gateway, without a path
    """

    ended, ended_with_call = "stop", "tool_calls"

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.openai = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)

    def ask(self, model: str, said: list[Any], stream: bool, **more: Any) -> Answer:
        raise NotImplementedError

    def prompt(self, text: str) -> list[dict[str, Any]]:
        return [{"role": "user", "content": text}]

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", "function": WEATHER}]}

    def thinking(self) -> dict[str, Any]:
        return {"reasoning_effort": "high"}

    def result(self, answer: Answer) -> list[dict[str, Any]]:
        """The conversation's next part after a call."""
        ((name, _, _),) = answer.calls
        return [*answer.raw, {"role": "tool", "tool_call_id": name, "content": RESULT}]


class ChatCompletions(Dialect):
    def ask(self, model: str, said: list[Any], stream: bool, **more: Any) -> Answer:
        create = self.openai.chat.completions.create
        if not stream:
            answer = create(model=model, messages=said, **more)
            (choice,) = answer.choices
            return _of_chat(choice.message.to_dict(), choice.finish_reason, answer.usage)
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        reason, usage = None, None
        more["stream_options"] = {"include_usage": True}
        for chunk in create(model=model, messages=said, stream=True, **more):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                reason = choice.finish_reason or reason
                _add(message, choice.delta.to_dict())
        return _of_chat(message, reason, usage)


class Completions(Dialect):
    def prompt(self, text: str) -> list[Any]:
        return [text]

    def ask(self, model: str, said: list[Any], stream: bool, **more: Any) -> Answer:
        create = self.openai.completions.create
        if not stream:
            answer = create(model=model, prompt=said[0], **more)
            (choice,) = answer.choices
            tokens = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
            return Answer(choice.text, reason=choice.finish_reason, tokens=tokens)
        found = Answer()
        more["stream_options"] = {"include_usage": True}
        for chunk in create(model=model, prompt=said[0], stream=True, **more):
            if chunk.usage:
                found.tokens = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
            for choice in chunk.choices:
                found.text += choice.text or ""
                found.reason = choice.finish_reason or found.reason
        return found


class Responses(Dialect):
    ended = ended_with_call = "completed"

    def tools(self) -> dict[str, Any]:
        return {"tools": [{"type": "function", **WEATHER}]}

    def thinking(self) -> dict[str, Any]:
        return {"reasoning": {"effort": "high", "summary": "auto"}}

    def ask(self, model: str, said: list[Any], stream: bool, **more: Any) -> Answer:
        # As agents that keep the conversation themselves.
        asked = {"model": model, "input": said, "store": False, **more}
        if not stream:
            return _of_response(self.openai.responses.create(**asked))
        streamed = Answer()
        response = None
        for event in self.openai.responses.create(stream=True, **asked):
            if event.type == "response.output_text.delta":
                streamed.text += event.delta
            elif event.type in ("response.completed", "response.incomplete"):
                response = event.response
        assert response is not None, "the stream does not say that it is complete"
        found = _of_response(response)
        assert found.text == streamed.text
        return found

    def result(self, answer: Answer) -> list[dict[str, Any]]:
        ((name, _, _),) = answer.calls
        return [*answer.raw, {"type": "function_call_output", "call_id": name, "output": RESULT}]


class Messages(Dialect):
    """By httpx; Anthropic's SDKs ask in test_agents.py."""

    ended, ended_with_call = "end_turn", "tool_use"

    def tools(self) -> dict[str, Any]:
        tool = {"name": WEATHER["name"], "description": WEATHER["description"]}
        return {"tools": [tool | {"input_schema": SCHEMA}]}

    def thinking(self) -> dict[str, Any]:
        return {"thinking": {"type": "enabled", "budget_tokens": 8000}, "max_tokens": 9000}

    def ask(self, model: str, said: list[Any], stream: bool, **more: Any) -> Answer:
        body = {"model": model, "max_tokens": 512, "messages": said, "stream": stream, **more}
        headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
        got = self.http.post("/v1/messages", json=body, headers=headers)
        assert got.status_code == 200, got.text
        if not stream:
            return _of_message(got.json())
        message: dict[str, Any] = {}
        for event in _events(got.text):
            _collect(message, event)
        assert message.pop("stopped"), "the stream does not say that it is complete"
        return _of_message(message)

    def result(self, answer: Answer) -> list[dict[str, Any]]:
        ((name, _, _),) = answer.calls
        block = {"type": "tool_result", "tool_use_id": name, "content": RESULT}
        return [*answer.raw, {"role": "user", "content": [block]}]


DIALECTS: dict[str, type[Dialect]] = {
    "chat completions": ChatCompletions,
    "messages": Messages,
    "responses": Responses,
    "completions": Completions,
}


def _of_chat(message: dict[str, Any], reason: str | None, usage: Any) -> Answer:
    calls = [
        (each["id"], each["function"]["name"], json.loads(each["function"]["arguments"]))
        for each in message.get("tool_calls") or []
    ]
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    thoughts = message.get("reasoning_content") or ""
    return Answer(message.get("content") or "", calls, thoughts, reason, tokens, [message])


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Put a piece of a streamed chat to the message."""
    for name in ("content", "reasoning_content"):
        if delta.get(name):
            message[name] = message.get(name, "") + delta[name]
    calls = message.setdefault("tool_calls", []) if delta.get("tool_calls") else []
    for piece in delta.get("tool_calls") or []:
        if piece["index"] == len(calls):
            calls.append({"id": piece["id"], "type": "function", "function": {"arguments": ""}})
        function, more = calls[piece["index"]]["function"], piece["function"]
        function["name"] = function.get("name") or more["name"]
        function["arguments"] += more.get("arguments") or ""


def _of_response(response: Any) -> Answer:
    items = [item.to_dict() for item in response.output]
    found = Answer(raw=items, reason=response.status)
    found.tokens = (response.usage.input_tokens, response.usage.output_tokens)
    for item in items:
        if item["type"] == "message":
            found.text += "".join(part["text"] for part in item["content"])
        elif item["type"] == "function_call":
            found.calls.append((item["call_id"], item["name"], json.loads(item["arguments"])))
        elif item["type"] == "reasoning":
            parts = [*(item.get("summary") or []), *(item.get("content") or [])]
            found.thoughts += "".join(part["text"] for part in parts)
    return found


def _of_message(message: dict[str, Any]) -> Answer:
    usage = message["usage"]
    found = Answer(reason=message["stop_reason"])
    found.tokens = (usage["input_tokens"], usage["output_tokens"])
    found.raw = [{"role": "assistant", "content": message["content"]}]
    for block in message["content"]:
        if block["type"] == "text":
            found.text += block["text"]
        elif block["type"] == "tool_use":
            found.calls.append((block["id"], block["name"], block["input"]))
        elif block["type"] == "thinking":
            found.thoughts += block["thinking"]
    return found


def _events(text: str) -> Iterator[dict[str, Any]]:
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        event: dict[str, Any] = json.loads(lines["data"])
        assert event["type"] == lines["event"]
        yield event


def _collect(message: dict[str, Any], event: dict[str, Any]) -> None:
    """Put an event of a streamed message to the message, as Anthropic's SDKs do."""
    content: list[dict[str, Any]] = message.get("content", [])
    match event["type"]:
        case "message_start":
            message |= event["message"] | {"stopped": False}
        case "content_block_start":
            assert event["index"] == len(content), "blocks are out of order"
            content.append({"input_json": "", **event["content_block"]})
        case "content_block_delta":
            block, delta = content[event["index"]], event["delta"]
            kind = delta["type"].removesuffix("_delta")
            given = {"input_json": "partial_json"}.get(kind, kind)
            block[kind] = block.get(kind, "") + delta[given]
        case "content_block_stop":
            written = content[event["index"]].pop("input_json")
            if content[event["index"]]["type"] == "tool_use":
                content[event["index"]]["input"] = json.loads(written or "{}")
        case "message_delta":
            message |= event["delta"]
            message["usage"] = message["usage"] | event["usage"]
        case "message_stop":
            message["stopped"] = True
