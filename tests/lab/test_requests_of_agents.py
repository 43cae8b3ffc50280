"""Requests as agents and editors send them: tools of other forms, notes, completions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.requests_front import (
    HELLO,
    OURS,
    World,
    logged,
    refused,
    requests_front,
    served,
)


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with requests_front(gateway_python, tmp_path_factory.mktemp("requests")) as found:
        yield found


@pytest.fixture(autouse=True)
def _blames_nobody(world: World) -> Iterator[None]:
    """Whatever these requests are, nobody is put aside for one of them."""
    before = world.aside()
    yield
    assert world.aside() == before


# Completions, the oldest dialect.


@pytest.mark.parametrize("stream", [True, False])
def test_completion_by_way_of_a_chat(world: World, stream: bool) -> None:
    asked = {"prompt": "Say hello.", "max_tokens": 9, "stop": "\n", "stream": stream}
    answer = world.post("/v1/completions", model=OURS, **asked)
    assert served(answer) == "house"
    if stream:
        pieces = [json.loads(each) for each in answer.text.split("data: ")[1:-1]]
        assert all("text" in piece["choices"][0] for piece in pieces)
        assert not any("usage" in piece for piece in pieces)
    sent = world.sent(answer)
    assert [(each["role"], each["content"]) for each in sent["messages"]] == [
        ("user", "Say hello.")
    ]
    assert sent["options"] == {"num_predict": 9, "stop": ["\n"]}
    assert served(world.post("/v1/completions", model="paid", **asked)) == "outside"
    assert world.passed_on("paid")["messages"] == HELLO


def test_completion_at_a_vllm_is_its_own(world: World) -> None:
    asked = {"prompt": "def add(a, b):", "suffix": "\n\nprint(add(1, 2))", "max_tokens": 9}
    answer = world.post("/v1/completions", model="fast", **asked)
    assert served(answer) == "outside"
    passed_on = world.others["vllm"].provider.requests[-1]
    assert passed_on["path"] == "/v1/completions"
    assert asked.items() <= passed_on["body"].items()


@pytest.mark.parametrize("more", [{"suffix": "}"}, {"echo": True}, {"logprobs": 2}], ids=str)
def test_completion_that_no_chat_can_be(world: World, more: dict[str, Any]) -> None:
    for model in (OURS, "paid"):
        answer = world.post("/v1/completions", model=model, prompt="Say hello.", **more)
        assert f"{next(iter(more))} cannot be had" in refused(answer)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", [OURS, "paid", "fast"])
def test_completion_stands_in_the_log(world: World, model: str, stream: bool) -> None:
    prompt = {"prompt": "Say hello.", "stream": stream}
    line = logged(world, world.post("/v1/completions", model=model, **prompt))
    assert (line["status"], line["served"], line["stream"]) == (200, model, stream)
    assert line["output_tokens"] > 0


def test_the_log_has_the_name_that_was_asked_for(world: World) -> None:
    line = logged(world, world.messages("claude-sonnet-9"))
    assert (line["model"], line["served"], line["position"]) == ("claude-sonnet-9", OURS, 0)


# Tools as agents offer them.

NOW_OF_RESPONSES = {"type": "function", "name": "now", "parameters": {"type": "object"}}
NOW_OF_ANTHROPIC = {"name": "now", "input_schema": {"type": "object"}}


def names(sent: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in sent["tools"]]


def offer(world: World, model: str, *more: dict[str, Any]) -> httpx.Response:
    return world.post(
        "/v1/responses", model=model, input="Read.", tools=[NOW_OF_RESPONSES, *more], store=False
    )


def test_codex_offers_a_search_and_tools_of_other_forms(world: World) -> None:
    spawn = {"type": "function", "name": "spawn", "parameters": {"type": "object"}}
    patch = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
    others = [
        {"type": "web_search", "external_web_access": True},
        {"type": "namespace", "name": "agents", "description": "Of agents", "tools": [spawn]},
        {"type": "custom", "name": "apply_patch", "description": "Patch", "format": patch},
    ]
    answer = offer(world, OURS, *others)
    assert names(world.sent(answer)) == ["now", "agents__spawn", "apply_patch"]
    assert answer.headers["x-llmrack-left-out"] == "web_search"
    for model, server in (("paid", "paid"), ("fast", "vllm")):
        assert served(offer(world, model, *others)) == "outside"
        assert names(world.passed_on(server)) == ["now", "agents__spawn", "apply_patch"]
        assert "web_search_options" not in world.passed_on(server)


def test_codex_tells_more_of_a_request_than_servers_know(world: World) -> None:
    more = {
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "c1",
        "client_metadata": {"originator": "codex"},
        "parallel_tool_calls": True,
        "text": {"verbosity": "low"},
    }
    asked = {"input": "Read.", "store": False, "tools": [NOW_OF_RESPONSES], **more}
    answer = world.post("/v1/responses", model=OURS, **asked)
    assert set(world.sent(answer)) <= {
        "model",
        "messages",
        "options",
        "stream",
        "tools",
        "truncate",
    }
    assert served(world.post("/v1/responses", model="paid", **asked)) == "outside"
    assert not {"include", "client_metadata"} & set(world.passed_on("paid"))


def test_claude_code_notes_more_at_tools_and_messages_than_servers_know(world: World) -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    tools = [
        NOW_OF_ANTHROPIC | cached,
        NOW_OF_ANTHROPIC | {"name": "later", "defer_loading": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    ]
    more = {
        "tools": tools,
        "system": [{"type": "text", "text": "Be kind."} | cached, {"type": "text", "text": "Now."}],
        "messages": [*HELLO, {"role": "system", "content": [{"type": "text", "text": "Go."}]}],
        "metadata": {"user_id": "ada"},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
    }
    answer = world.messages(OURS, **more)
    assert names(world.sent(answer)) == ["now", "later"]
    assert "defer_loading" not in json.dumps(world.sent(answer))
    assert "web_search_20250305" in answer.headers["x-llmrack-left-out"]
    assert served(world.messages("paid", **more)) == "outside"
    passed_on = json.dumps(world.passed_on("paid"))
    for note in ("cache_control", "defer_loading", "context_management", "web_search"):
        assert note not in passed_on


@pytest.mark.parametrize("kind", ["mcp", "code_interpreter", "file_search"])
def test_tool_that_a_service_carries_out_is_refused(world: World, kind: str) -> None:
    before = world.left()
    more = {"type": kind, "server_label": "x", "server_url": "http://127.0.0.1:9/mcp"}
    assert f"tools[1] is of type {kind}" in refused(offer(world, "paid", more))
    assert world.left() == before


@pytest.mark.parametrize(
    "kept",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
    ],
    ids=str,
)
def test_what_refers_to_an_earlier_answer_is_refused(world: World, kept: dict[str, Any]) -> None:
    for model in (OURS, "paid"):
        answer = world.post("/v1/responses", **({"model": model, "input": "Go on."} | kept))
        assert "keeps nothing of a conversation" in refused(answer)


def test_servers_of_tools_are_refused(world: World) -> None:
    before = world.left()
    servers = [{"type": "url", "url": "http://127.0.0.1:9/mcp", "name": "x"}]
    answer = world.messages("paid", mcp_servers=servers)
    assert "reaches out to none" in answer.json()["error"]["message"]
    assert world.left() == before


def test_search_alone_is_refused(world: World) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    answer = world.messages(OURS, tools=[search])
    assert (answer.status_code, answer.json()["type"]) == (400, "error")
    assert "carries out" in answer.json()["error"]["message"]


def test_tool_of_anthropics_own_form_is_refused(world: World) -> None:
    answer = world.messages(OURS, tools=[{"type": "bash_20250124", "name": "bash"}])
    assert "tools[0] is of type bash_20250124" in answer.json()["error"]["message"]


def test_custom_tool_of_a_chat_is_refused_for_ollama(world: World) -> None:
    custom = {"type": "custom", "custom": {"name": "patch"}}
    assert "functions alone" in refused(world.chat(OURS, tools=[custom]))


def test_tokens_of_a_message_are_counted(world: World) -> None:
    asked = {"messages": HELLO, "system": "Be kind.", "tools": [NOW_OF_ANTHROPIC]}
    answer = world.post("/v1/messages/count_tokens?beta=true", model="claude-sonnet-9", **asked)
    assert answer.json()["input_tokens"] > 0
