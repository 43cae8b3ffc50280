"""Stand-ins call the tool that a prompt asks for."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.cloud import Cloud
from llmrack_lab.standins.ollama.wanted_call import wanted_call
from llmrack_lab.standins.vllm import VLLM
from tests.unit.running_standin import KEY, running

READ, WRITE = {"name": "read"}, {"name": "write"}
OFFERED = [READ, WRITE]


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


ASKED = user('Do it. [call write {"at": {"line": 2}, "text": "a]b"}]')
RESULT = {"role": "tool", "content": "done"}


def test_the_tool_of_the_mark_is_called_with_its_arguments() -> None:
    wanted = (WRITE, {"at": {"line": 2}, "text": "a]b"})
    assert wanted_call(OFFERED, [ASKED]) == wanted
    assert wanted_call(OFFERED, [user([{"type": "text", "text": ASKED["content"]}])]) == wanted
    # What programs add after the prompt changes nothing.
    assert wanted_call(OFFERED, [ASKED, user("Today is Monday.")]) == wanted


def test_it_is_called_once() -> None:
    called = {"role": "assistant", "content": ASKED["content"]}
    assert wanted_call(OFFERED, [ASKED, called, RESULT])[0] == {}
    assert wanted_call(OFFERED, [ASKED, called, RESULT, user("Go on.")])[0] == {}
    again = user("[call read {}]")
    assert wanted_call(OFFERED, [ASKED, called, RESULT, again]) == (READ, {})


def test_a_tool_that_is_not_offered_is_not_called() -> None:
    assert wanted_call(OFFERED, [user("[call nothing {}]")])[0] == {}


def test_without_a_mark_the_first_tool_is_called_on_the_users_turn() -> None:
    assert wanted_call(OFFERED, [user("Do it. [call write now]")]) == (READ, None)
    assert wanted_call(OFFERED, [user("Do it."), RESULT])[0] == {}
    assert wanted_call([], [ASKED])[0] == {}


@pytest.mark.parametrize("kind", [VLLM, Cloud])
def test_provider_stand_ins_heed_the_mark(kind: type[VLLM] | type[Cloud]) -> None:
    tools = [{"type": "function", "function": function} for function in OFFERED]
    for standin in running(kind([Model("m")], KEY)):
        answer = standin.openai.chat.completions.create(model="m", messages=[ASKED], tools=tools)
        (call,) = answer.choices[0].message.tool_calls
        assert call.function.name == "write"
        assert call.function.arguments == '{"at": {"line": 2}, "text": "a]b"}'
