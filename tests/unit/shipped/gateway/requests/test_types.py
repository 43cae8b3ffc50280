"""What a request may look like, before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.shipped.gateway.requests.types import mistake

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
EMBEDDINGS, COMPLETIONS = "/v1/embeddings", "/v1/completions"
HELLO = [{"role": "user", "content": "Hello."}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": ""}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def chat(**body: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HELLO} | body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, chat()),
        (CHAT, chat(stop="\n", temperature=0, top_p=1, max_tokens=5.0, seed=-1, stream=False)),
        (CHAT, chat(stop=["a", "b"], logprobs=True, top_logprobs=2, n=1)),
        (CHAT, chat(stop=None, temperature=None, tools=None)),
        (CHAT, chat(reasoning_effort="high")),
        (CHAT, chat(reasoning_effort={"effort": "high"}, think=True)),
        (CHAT, chat(what_nobody_knows={"x": [1]})),
        (
            CHAT,
            chat(messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}]),
        ),
        (
            CHAT,
            chat(messages=[*HELLO, {"role": "assistant", "content": None, "tool_calls": [CALL]}]),
        ),
        (CHAT, chat(tools=[{"type": "function", "function": {"name": "now"}}], tool_choice="auto")),
        ("/engines/m/chat/completions", chat()),
        (MESSAGES, chat(max_tokens=5, system=[{"type": "text", "text": "Be kind."}])),
        (MESSAGES, chat(max_tokens=5, thinking={"type": "adaptive"}, stop_sequences=["x"])),
        (MESSAGES, chat(tools=[{"name": "now", "input_schema": {"type": "object"}}])),
        (RESPONSES, {"model": "m", "input": "Read."}),
        (RESPONSES, {"model": "m", "input": [{"type": "message", "content": "Read."}]}),
        (EMBEDDINGS, {"model": "m", "input": ["a", "b"], "dimensions": 256}),
        (EMBEDDINGS, {"model": "m", "input": [1, 2]}),
        (EMBEDDINGS, {"model": "m", "input": [[1, 2], [3]]}),
        (COMPLETIONS, {"model": "m", "prompt": "a", "logprobs": 2}),
        (COMPLETIONS, {"model": "m", "prompt": ["a"]}),
        ("/key/generate", {"models": 5}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_well_formed_is_let_through(path: str, body: dict[str, Any]) -> None:
    assert mistake(path, body) is None


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (CHAT, [1], "the body must be a JSON object; it is a list"),
        (CHAT, chat(temperature="hot"), "temperature must be a number of at least 0; it is a text"),
        (CHAT, chat(temperature=True), "temperature must be a number of at least 0; it is true"),
        (CHAT, chat(seed=1.5), "seed must be a whole number; it is a number"),
        (CHAT, chat(seed=2**63), "seed must be a whole number; it is a number"),
        (CHAT, chat(max_tokens=0), "max_tokens must be a whole number of at least 1"),
        (CHAT, chat(stop={"a": 1}), "stop must be a text or a list of texts; it is an object"),
        (CHAT, chat(stop=[1]), "stop must be a text or a list of texts; it is a list"),
        (CHAT, chat(stream="yes"), "stream must be true or false; it is a text"),
        (CHAT, chat(tools={}), "tools must be a list of objects; it is an object"),
        (CHAT, chat(tools=[{"type": "function"}]), "tools[0].function must be an object with a"),
        (CHAT, chat(logprobs=5), "logprobs must be true or false; it is a number"),
        (COMPLETIONS, {"logprobs": True}, "logprobs must be a whole number; it is true"),
        (COMPLETIONS, {"prompt": ["a", "b"]}, "prompt must be one text; it is a list"),
        (CHAT, chat(messages="hi"), "messages must be a list; it is a text"),
        (CHAT, chat(messages=None), "messages must be a list; it is null"),
        (CHAT, chat(messages=[]), "messages is empty: send at least one message"),
        (CHAT, chat(messages=[5]), "messages[0] must be an object; it is a number"),
        (CHAT, chat(messages=[{"role": "boss", "content": ""}]), "messages[0].role must be one of"),
        (CHAT, chat(messages=[{"role": "user"}]), "messages[0].content is missing"),
        (
            CHAT,
            chat(messages=[*HELLO, {"role": "user", "content": 5}]),
            "messages[1].content must be a text or a list of objects; it is a number",
        ),
        (
            CHAT,
            chat(messages=[{"role": "user", "content": [{"type": "text"}]}]),
            "messages[0].content[0].text must be a text; it is null",
        ),
        (
            CHAT,
            chat(messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
            "messages[0].content[0].image_url.url must be a text; it is null",
        ),
        (
            CHAT,
            chat(messages=[{"role": "assistant", "tool_calls": [{"function": {}}]}]),
            "messages[0].tool_calls[0].function must be an object with a name",
        ),
        (MESSAGES, chat(stop_sequences="x"), "stop_sequences must be a list of texts"),
        (MESSAGES, chat(system=5), "system must be a text or a list of objects; it is a number"),
        (MESSAGES, chat(tools=[{}]), "tools[0].name must be a text; it is null"),
        (RESPONSES, {"input": 5}, "input must be a text or a list of objects; it is a number"),
        (RESPONSES, {"input": []}, "input is empty"),
        (EMBEDDINGS, {"input": ""}, "input is empty: send a text, or a list of texts"),
        (EMBEDDINGS, {"input": ["a", 1]}, "input must be a text or a list of texts"),
        (EMBEDDINGS, {"input": "a", "dimensions": 0}, "dimensions must be a whole number of at"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_is_said_with_its_place(path: str, body: Any, reason: str) -> None:
    assert (mistake(path, body) or "").startswith(reason)


def test_a_value_that_is_wrong_is_not_repeated() -> None:
    assert "secret" not in str(mistake(CHAT, chat(temperature="secret", messages="secret")))
