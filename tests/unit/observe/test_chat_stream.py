"""What is read of a streamed chat, in both forms, and what is said when it is over."""

from __future__ import annotations

import json
import time

import pytest

from llmrack.observe.chat import Answered
from llmrack.observe.chat_stream import Broken, Counts, read

USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}


def event(**delta: object) -> str:
    return "data: " + json.dumps({"choices": [{"delta": delta}]})


def heard(lines: list[str]) -> tuple[str, Counts]:
    pieces: list[str] = []
    counts = read(lines, pieces.append, time.perf_counter())
    return "".join(pieces), counts


def test_openai_s_events_are_read() -> None:
    lines = [": a comment", "", event(role="assistant"), event(content="Hel"), event(content="lo")]
    text, counts = heard([*lines, "data: " + json.dumps(USAGE), "data: [DONE]"])
    assert (text, counts.input, counts.output) == ("Hello", 5, 2)
    assert counts.first_token is not None


def test_ollama_s_lines_are_read() -> None:
    lines = [
        '{"message": {"content": "Hel"}, "done": false}',
        '{"message": {"content": "lo"}, "done": false}',
        '{"message": {"content": ""}, "done": true, "prompt_eval_count": 5, "eval_count": 2}',
    ]
    text, counts = heard(lines)
    assert (text, counts.input, counts.output) == ("Hello", 5, 2)


@pytest.mark.parametrize(
    "thought",
    [event(reasoning_content="Hm."), '{"message": {"content": "", "thinking": "Hm."}}'],
)
def test_what_is_thought_counts_as_the_first_token_and_is_not_told(thought: str) -> None:
    text, counts = heard([thought, "data: [DONE]"])
    assert text == ""
    assert counts.first_token is not None


@pytest.mark.parametrize("lines", [[event(content="Hel")], [event(content="Hel"), 'data: {"cho']])
def test_a_stream_without_its_end_is_broken(lines: list[str]) -> None:
    with pytest.raises(Broken, match="ended in the middle"):
        heard(lines)


def test_an_error_inside_a_stream_keeps_its_status_and_words() -> None:
    error = {"error": {"message": "litellm.Timeout: too late", "code": "408"}}
    with pytest.raises(Broken) as broken:
        heard([event(content="Hel"), f"data: {json.dumps(error)}"])
    assert (broken.value.status, broken.value.words) == (408, "litellm.Timeout: too late")


def test_an_error_of_ollama_s_is_read() -> None:
    with pytest.raises(Broken, match="out of memory"):
        heard(['{"error": "out of memory"}'])


def test_nothing_that_steers_a_terminal_gets_through() -> None:
    text, _ = heard([event(content="a\x1b[2Jb\x07\n\tc"), "data: [DONE]"])
    assert text == "a[2Jb\n\tc"


def test_who_answered_and_how_fast_is_said_in_a_line() -> None:
    counts = Counts(first_token=0.5, input=5, output=20)
    assert str(Answered("box1/llama", "", 1.5, counts)) == (
        "box1/llama answered: first token 0.50 s, 1.50 s in all, 5 + 20 tokens, 20.0 tokens/s"
    )


def test_a_fallback_is_said() -> None:
    text = str(Answered("cloud/gpt-oss", "llama", 1.5, Counts()))
    assert text == "cloud/gpt-oss answered (a fallback: llama was asked for): 1.50 s in all"
