"""Whatever a client sends, nobody is put aside for it, and the next request goes where it would.

Requests of every dialect, with every parameter, are spoiled at one or two places each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmrack.verify.probes import RED_PNG, WEATHER_TOOL
from tests.lab.requests_front import EYES, LEVELLED, OURS, VECTORS, World, requests_front
from tests.unit.hostile import places, put

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'},
}
FLAT_TOOL = {"name": "get_weather", "parameters": {"type": "object"}, "type": "function"}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    (
        CHAT,
        {
            "model": OURS,
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            ],
            "tools": [WEATHER_TOOL],
            "tool_choice": "auto",
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 5,
            "seed": 1,
            "stop": ["END"],
            "max_tokens": 8,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.1,
            "response_format": {"type": "json_object"},
            "stream": False,
            "stream_options": {"include_usage": True},
            "user": "ada",
            "metadata": {"a": "b"},
            "parallel_tool_calls": True,
            "reasoning_effort": "low",
        },
    ),
    (
        CHAT,
        {
            "model": EYES,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What?"},
                        {"type": "image_url", "image_url": {"url": RED_PNG}},
                    ],
                }
            ],
            "max_completion_tokens": 8,
            "n": 1,
            "logit_bias": {},
            "stream": True,
            "num_ctx": 512,
            "keep_alive": 0,
            "options": {"num_ctx": 5},
        },
    ),
    (
        MESSAGES,
        {
            "model": LEVELLED,
            "max_tokens": 8,
            "system": [{"type": "text", "text": "Be kind."}],
            "messages": [
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
                        {"type": "tool_use", "id": "t1", "name": "w", "input": {"city": "Rome"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}],
                },
            ],
            "tools": [{"name": "w", "description": "d", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "auto"},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
            "output_config": {"effort": "high"},
            "stop_sequences": ["END"],
            "temperature": 1,
            "top_k": 5,
            "top_p": 0.9,
            "metadata": {"user_id": "u"},
            "stream": False,
        },
    ),
    (
        RESPONSES,
        {
            "model": OURS,
            "instructions": "Be kind.",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Weather?"}],
                },
                {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "sunny"},
            ],
            "tools": [FLAT_TOOL],
            "tool_choice": "auto",
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": {"type": "text"}},
            "max_output_tokens": 8,
            "temperature": 0.5,
            "store": False,
            "include": [],
            "stream": False,
        },
    ),
    (
        COMPLETIONS,
        {"model": OURS, "prompt": "a", "max_tokens": 4, "stop": "x", "temperature": 0, "n": 1},
    ),
    (
        EMBEDDINGS,
        {"model": VECTORS, "input": ["a", "b"], "dimensions": 8, "encoding_format": "float"},
    ),
]
ODD = [
    *(None, True, False, -1, 0, 1, 1.5, 10**30, "", "x", "none", "high", "\n", "0"),
    *([], {}, [None], [[]], ["a"], [1], [{}], {"a": {}}, {"type": "x"}, {"type": 5}, "data:x"),
    *([{"type": "text"}], [{"type": "image_url", "image_url": "x"}], {"effort": "low"}),
]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A path, and a request for it that is wrong at one or two places, or says too much."""
    path, body = draw(st.sampled_from(REQUESTS))
    for _ in range(draw(st.integers(1, 2))):
        known = [place for place in places(body) if place[-1] is not None and place != ("model",)]
        body = put(body, draw(st.sampled_from(known)), draw(st.sampled_from(ODD)))
    if draw(st.booleans()):
        name = draw(st.sampled_from(["logprobs", "n", "best_of", "audio", "timeout", "think", "q"]))
        body = {**body, name: draw(st.sampled_from(ODD))}
    return path, body


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with requests_front(gateway_python, tmp_path_factory.mktemp("property")) as found:
        yield found


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(request=spoilt())
def test_no_request_puts_anybody_aside_or_leads_the_next_one_elsewhere(
    world: World, request: tuple[str, dict[str, Any]]
) -> None:
    path, body = request
    aside, left = world.aside(), world.left()
    answer = world.front.process.client.post(path, content=json.dumps(body).encode())
    # A client may say how long it waits.
    expected = (200, 400, 408) if "timeout" in body else (200, 400)
    assert answer.status_code in expected, (answer.status_code, answer.text)
    if answer.status_code == 400:
        assert "Traceback" not in answer.text
        assert (path == MESSAGES) == (answer.json().get("type") == "error")
    following = world.chat(OURS, max_tokens=4)
    assert following.headers["x-llmrack-served"] == "house"
    assert world.aside() == aside
    assert world.left() == left
