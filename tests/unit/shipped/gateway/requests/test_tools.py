"""Tools that no chat can have."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.shipped.gateway.requests import tools

FUNCTION = {"type": "function", "name": "now"}
OF_ANTHROPIC = {"name": "now", "input_schema": {"type": "object"}}


@pytest.mark.parametrize("kind", ["function", "custom", "namespace"])
def test_responses_take_what_the_program_carries_out(kind: str) -> None:
    given = [{"type": kind, "name": "now"}]
    assert tools.mistake("responses", given) is None
    assert tools.split(given) == (given, [])


@pytest.mark.parametrize(
    ("ending", "function", "spared"),
    [
        ("responses", FUNCTION, "web_search"),
        ("responses", FUNCTION, "image_generation"),
        ("messages", OF_ANTHROPIC, "web_search_20250305"),
        ("count_tokens", OF_ANTHROPIC, "tool_search_tool_regex_20251119"),
    ],
)
def test_what_agents_offer_to_everybody_is_left_out(
    ending: str, function: dict[str, Any], spared: str
) -> None:
    other = {"type": spared, "name": "search"}
    assert tools.mistake(ending, [other, function]) is None
    assert tools.split([other, function]) == ([function], [spared])
    # An answer would depend on it.
    assert f"tools[0] is of type {spared}" in tools.mistake(ending, [other])


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ("responses", "mcp"),
        ("responses", "file_search"),
        ("responses", "code_interpreter"),
        ("responses", None),
        ("messages", "bash_20250124"),
        ("messages", "mcp_toolset"),
    ],
)
def test_others_are_refused_by_name(ending: str, kind: str | None) -> None:
    function = FUNCTION if ending == "responses" else OF_ANTHROPIC
    assert f"tools[1] is of type {kind}" in tools.mistake(ending, [function, {"type": kind}])


def test_chats_are_no_affair_of_it() -> None:
    assert tools.mistake("completions", [{"type": "custom"}]) is None


def test_notes_for_anthropics_service_are_taken_off() -> None:
    noted = OF_ANTHROPIC | {"defer_loading": True, "allowed_callers": ["direct"]}
    assert tools.split([noted]) == ([OF_ANTHROPIC], [])
