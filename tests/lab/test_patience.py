"""What is no failure: slow answers, clients that leave. And how many requests find one out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.asking import Outcome
from bench.breakable import Breakable
from llmrack_lab.shell import wait_until
from llmrack_lab.standins.ollama.faults import Fault
from tests.lab.front import COOLDOWN, QUICK, Front, breakable, provider

DEADLINE = 30.0
# Longer than every short deadline: three signs of life, the first token, a gap between tokens.
LOADING = 8.0
AT_ONCE = 16
PATIENT = {"connect_timeout": 1, "stream_timeout": QUICK["stream_timeout"]}
# Public name → kind, and settings of the first of its two instances.
SHARED: dict[str, tuple[str, dict[str, Any]]] = {
    "cold": ("ollama-remote", {"first_token_timeout": None}),
    "long": ("vllm", {}),
    "stuck": ("vllm", {}),
    "lost": ("vllm", {"first_token_timeout": None}),
    "left": ("vllm", {"first_token_timeout": None}),
    "hasty": ("vllm", {"first_token_timeout": None}),
    "hasty-first": ("openai-compatible", {}),
    "late": ("openai-compatible", {"timeout": 2.5, "first_token_timeout": None}),
    "late-first": ("openai-compatible", {"timeout": 2.5}),
    "late-silent": ("openai-compatible", {"timeout": 1.5}),
    "crowd": ("openai-compatible", {}),
    "crowd-cut": ("openai-compatible", {}),
    "crowd-watched": ("vllm", {}),
    "told": ("vllm", {}),
}


@pytest.fixture(scope="module")
def at() -> Iterator[dict[str, Breakable]]:
    """The instance of each name that is asked first."""
    with contextlib.ExitStack() as opened:
        yield {name: opened.enter_context(breakable(kind)) for name, (kind, _) in SHARED.items()}


@pytest.fixture(scope="module")
def front(
    gateway_python: Path, tmp_path_factory: pytest.TempPathFactory, at: dict[str, Breakable]
) -> Iterator[Front]:
    with breakable("vllm") as other:
        providers = {
            name: provider(kind, at[name], **settings) for name, (kind, settings) in SHARED.items()
        }
        providers["other"] = provider("vllm", other, priority=2)
        models = {name: {"provider": [name, "other"], "model": "m"} for name in SHARED}
        stack = {"providers": providers, "models": models}
        with Front(gateway_python, tmp_path_factory.mktemp("gateway"), stack) as started:
            for name in SHARED:
                # LiteLLM loads what it needs for a provider when that is first asked.
                assert wait_until(lambda name=name: is_first(started, name), DEADLINE)
            yield started
            print(started.process.log[-20_000:])


def is_first(front: Front, name: str) -> bool:
    """Whether the first instance of a name answers."""
    return front.ask(name).by == f"{name}/{name}"


def both(front: Front, name: str) -> list[Outcome]:
    """A stream and a plain answer, asked for at the same time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda stream: front.ask(name, stream), (True, False)))


def many(front: Front, name: str) -> list[Outcome]:
    """Streams and plain answers in turn, all at the same time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda n: front.ask(name, bool(n % 2)), range(AT_ONCE)))


def test_a_model_that_takes_long_to_load_is_waited_for(
    front: Front, at: dict[str, Breakable]
) -> None:
    at["cold"].show(Fault("load", only="inference", seconds=LOADING))
    for found in both(front, "cold"):
        assert (found.whole, found.by) == (True, "cold/cold")
        assert found.seconds > LOADING - 1


def test_a_long_answer_whose_tokens_keep_coming_is_not_cut(
    front: Front, at: dict[str, Breakable]
) -> None:
    at["long"].show(Fault("slow", only="inference", seconds=0.3))
    for found in both(front, "long"):
        assert (found.whole, found.by) == (True, "long/long")
        assert found.seconds > QUICK["first_token_timeout"] + QUICK["stream_timeout"]


def test_a_stream_whose_next_token_does_not_come_ends_with_an_error(
    front: Front, at: dict[str, Breakable]
) -> None:
    at["stuck"].show(Fault("hang", only="inference", after=4))
    found = front.ask("stuck", stream=True)
    assert found.text
    assert "said nothing for 2 s" in found.error
    assert front.ask("stuck").by == "other/stuck"


def test_what_waits_for_an_instance_that_is_lost_is_answered_by_another(
    front: Front, at: dict[str, Breakable]
) -> None:
    at["lost"].fail("frozen")
    for found in both(front, "lost"):
        assert (found.whole, found.by) == (True, "other/lost")
    at["lost"].mend()
    assert wait_until(lambda: is_first(front, "lost"), DEADLINE)


def test_a_client_that_leaves_is_nobodys_failure(front: Front, at: dict[str, Breakable]) -> None:
    for stream, after in ((True, 4), (True, 0), (False, 0)):
        at["left"].show(Fault("hang", only="inference", after=after))
        asked = len(at["left"].asked())
        messages = [{"role": "user", "content": "Say hello."}]
        body = {"model": "left", "messages": messages, "stream": stream}
        url = "/v1/chat/completions"
        with contextlib.suppress(httpx.ReadTimeout):
            front.process.client.post(url, json=body, timeout=1)
        assert len(at["left"].asked()) == asked + 1
        at["left"].mend()
        assert front.ask("left").by == "left/left"
    assert not at["left"].asked(own=True)


def test_a_client_that_waits_for_less_than_is_declared_blames_nobody(
    front: Front, at: dict[str, Breakable]
) -> None:
    at["hasty"].fail("hang")
    assert front.ask("hasty", timeout=0.5).by == "other/hasty"
    at["hasty"].mend()
    assert front.ask("hasty").by == "hasty/hasty"


@pytest.mark.parametrize(
    "body",
    [
        {"timeout": 0.5},
        # Longer than the first token may take, which such an answer does not have.
        {"timeout": 2.5, "n": 2},
    ],
    ids=str,
)
def test_a_deadline_of_the_clients_blames_nobody_where_another_is_declared_for_the_first_token(
    front: Front, at: dict[str, Breakable], body: dict[str, Any]
) -> None:
    at["hasty-first"].fail("hang")
    assert front.ask("hasty-first", **body).by == "other/hasty-first"
    at["hasty-first"].mend()
    assert front.ask("hasty-first").by == "hasty-first/hasty-first"


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("late", Fault("slow", only="inference", seconds=0.3)),
        ("late-first", Fault("slow", only="inference", seconds=0.3)),
        ("late-silent", Fault("hang", only="inference")),
    ],
    ids=str,
)
def test_an_answer_that_is_not_whole_in_its_declared_time_puts_its_model_aside(
    front: Front, at: dict[str, Breakable], name: str, fault: Fault
) -> None:
    at[name].show(fault)
    assert front.ask(name).by == f"other/{name}"
    assert wait_until(lambda: f"{name}/m is put aside: Timeout" in front.process.log, DEADLINE)


@pytest.mark.parametrize(("name", "cause"), [("crowd", "500"), ("crowd-cut", "end")])
def test_one_request_at_a_time_tries_an_instance_that_nobody_watches(
    front: Front, at: dict[str, Breakable], name: str, cause: str
) -> None:
    at[name].fail(cause)
    front.ask(name, stream=True)
    assert wait_until(lambda: front.ask(name).by == f"other/{name}", DEADLINE)
    began, asked = time.monotonic(), len(at[name].asked())
    while time.monotonic() - began < 3 * COOLDOWN:
        found = many(front, name)
        assert not [each for each in found if each.false]
    trials = len(at[name].asked()) - asked
    # The rest before the first trial had begun already.
    assert 1 <= trials <= 1 + (time.monotonic() - began) / COOLDOWN
    at[name].mend()
    assert wait_until(lambda: is_first(front, name), DEADLINE)


def test_one_request_of_its_own_at_a_time_tries_an_instance_that_the_gateway_watches(
    front: Front, at: dict[str, Breakable]
) -> None:
    name = "crowd-watched"
    at[name].fail("hang")
    assert all(each.whole for each in many(front, name))
    asked = len(at[name].asked())
    assert wait_until(lambda: bool(at[name].asked(own=True)), DEADLINE)
    assert all(each.by == f"other/{name}" for each in many(front, name))
    assert len(at[name].asked()) == asked
    own = [each for each in at[name].asked(own=True) if each["status"] is None]
    assert len(own) <= 1 + (time.time() - own[0]["time"]) / QUICK["first_token_timeout"]


def test_an_instance_is_left_alone_for_as_long_as_it_asks(
    front: Front, at: dict[str, Breakable]
) -> None:
    at["told"].show(Fault("429", only="inference", seconds=4))
    before = len(at["told"].asked())
    assert front.ask("told").whole
    at["told"].mend()
    assert wait_until(lambda: is_first(front, "told"), DEADLINE)
    refused, proof = at["told"].asked()[before], at["told"].asked(own=True)[-1]
    assert proof["time"] - refused["time"] >= 4
