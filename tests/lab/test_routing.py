"""Which instance a request goes to, as declared: levels, strategies, chains, limits, names."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.breakable import Breakable
from llmrack.verify.probes import RED_PNG
from llmrack_lab.shell import wait_until
from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.http import Reply, Request, Stream
from llmrack_lab.standins.ollama.faults import Fault
from llmrack_lab.standins.openai_like import OpenAILike
from llmrack_lab.standins.provider import Provider, Refusal
from llmrack_lab.standins.vllm import VLLM
from tests.lab.front import MODELS, SECRET, SECRETS, Front, breakable, provider

DEADLINE = 30.0
# Seconds between tokens of a request that is to be busy while others are sent.
BUSY = Fault("slow", only="inference", seconds=0.2)


class Strict(OpenAILike):
    """Refuses what is too long or not allowed, in OpenAI's words."""

    def _chat(self, request: Request) -> Reply | Stream:
        words = (request.body or {})["messages"][-1]["content"]
        if "long" in words:
            text = "This model's maximum context length is 8 tokens; please reduce the messages."
            raise Refusal(400, text, "context_length_exceeded")
        if "forbidden" in words:
            raise Refusal(400, "Your request was rejected.", "content_policy_violation")
        if "wrong" in words:
            raise Refusal(400, "'temperature' must be at most 2", "invalid_value")
        return super()._chat(request)


# Public name → the settings of its instances, which are called NAME-1, NAME-2 …
SHARED: dict[str, list[dict[str, Any]]] = {
    # A gateway warms up with the first name, which takes its turns.
    "warm": [{}],
    "levels": [{"priority": 1}, {"priority": 1}, {"priority": 2}],
    "shares": [{"weight": 3}, {"weight": 1}],
    "turns": [{"weight": 3}, {"weight": 1}],
    "busy": [{}, {}],
    "quick": [{}, {}],
    "limited": [{"max_parallel_requests": 1}, {"priority": 2}],
    "rated": [{"rpm": 2}, {"priority": 2}],
    "counted": [{"tpm": 1}, {"priority": 2}],
    "small": [{}],
    "large": [{}],
    "sold": [{}],
    "rented": [{}],
    "alone": [{}],
    "chained": [{}],
    "proud": [{}],
    "last": [{}],
    "strict": [{}, {"priority": 2}],
    "roomy": [{}],
    "bold": [{}],
    "seeing": [{}],
    "tower": [{}, {}],
    "keyed": [{"api_key": "OTHER_KEY", "headers": {"X-Client-ID": "rack1"}}],
}
KIND = dict.fromkeys(SHARED, "vllm") | {
    "tower": "ollama-remote",
    "strict": "openai-compatible",
}
OWN: dict[str, Callable[[], Provider]] = {
    "strict": lambda: Strict(MODELS, SECRET),
    "keyed": lambda: VLLM(MODELS, SECRETS["OTHER_KEY"]),
    "seeing": lambda: VLLM([Model("m", vision=True)], SECRET),
}
MODEL: dict[str, dict[str, Any]] = {
    "turns": {"strategy": "round-robin"},
    "busy": {"strategy": "least-busy"},
    "quick": {"strategy": "latency"},
    "proud": {"explicit_only": True},
    "tower": {"strategy": "round-robin"},
    "seeing": {"capabilities": ["chat", "vision"]},
}
CHOICES: dict[str, Any] = {
    "tiers": {"eco": ["small", "large"]},
    "mixes": {"assistant": {"sold": 80, "rented": 20}},
    "aliases": {"another": "last"},
    "chains": {"chained": ["last"], "alone": [], "strict": [], "seeing": ["last"]},
    "default_chain": ["last"],
    "context_window_chains": {"strict": ["roomy"]},
    "content_policy_chains": {"strict": ["bold"]},
}


class World:
    """The gateway, and its instances by name."""

    def __init__(self, front: Front, at: dict[str, Breakable]) -> None:
        self.front = front
        self.at = at

    def asked(self, name: str) -> list[int]:
        """Attempts on each instance of a model so far."""
        found = [f"{name}-{number + 1}" for number in range(len(SHARED[name]))]
        return [len(self.at[each].asked()) for each in found]

    def since(self, name: str) -> Callable[[], list[int]]:
        """Attempts on each from now on."""
        before = self.asked(name)
        return lambda: [now - then for now, then in zip(self.asked(name), before, strict=True)]

    @contextlib.contextmanager
    def streaming(self, name: str, at: str) -> Iterator[None]:
        """A stream from instance ``at`` is under way."""
        self.at[at].show(BUSY)
        before = len(self.at[at].asked())
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(self.front.ask, name, True)
            assert wait_until(lambda: len(self.at[at].asked()) > before, DEADLINE)
            yield
            assert not running.done()
            self.at[at].mend()
            assert running.result().whole


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with contextlib.ExitStack() as opened:
        at: dict[str, Breakable] = {}
        providers: dict[str, Any] = {}
        models: dict[str, Any] = {}
        for name, instances in SHARED.items():
            names = [f"{name}-{number + 1}" for number in range(len(instances))]
            for each, settings in zip(names, instances, strict=True):
                own = OWN.get(name)
                at[each] = opened.enter_context(Breakable(own()) if own else breakable(KIND[name]))
                providers[each] = provider(KIND[name], at[each], **settings)
            models[name] = {"provider": names, "model": "m", **MODEL.get(name, {})}
        providers["any"] = provider("vllm", at["last-1"])
        models["any/*"] = {"provider": "any"}
        stack = {"providers": providers, "models": models, **CHOICES}
        folder = tmp_path_factory.mktemp("gateway")
        front = opened.enter_context(Front(gateway_python, folder, stack))
        yield World(front, at)
        print(front.process.log[-20_000:])


def tell(words: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}]}


def test_the_next_level_serves_only_when_nobody_of_the_one_before_is_left(world: World) -> None:
    asked = world.since("levels")
    assert all(world.front.ask("levels").whole for _ in range(4))
    assert asked() == [2, 2, 0]
    world.at["levels-1"].fail("500")
    world.at["levels-2"].fail("500")
    asked = world.since("levels")
    assert world.front.ask("levels").whole
    assert asked() == [1, 1, 1]


def test_requests_are_shared_exactly_by_weight(world: World) -> None:
    asked = world.since("shares")
    assert all(world.front.ask("shares").whole for _ in range(20))
    assert asked() == [15, 5]


def test_round_robin_takes_turns_whatever_the_weights(world: World) -> None:
    asked = world.since("turns")
    assert all(world.front.ask("turns").whole for _ in range(10))
    assert asked() == [5, 5]


def test_least_busy_asks_whoever_has_nothing_to_do(world: World) -> None:
    world.at["busy-2"].fail("refused")
    assert world.front.ask("busy").by == "busy-1/busy"
    world.at["busy-2"].mend()
    assert wait_until(lambda: world.front.ask("busy").by == "busy-2/busy", DEADLINE)
    first = "busy-1" if world.front.ask("busy").by == "busy-2/busy" else "busy-2"
    with world.streaming("busy", first):
        asked = world.since("busy")
        assert all(world.front.ask("busy").whole for _ in range(3))
        assert asked() == ([0, 3] if first == "busy-1" else [3, 0])


def test_latency_asks_whoever_was_quicker_of_late(world: World) -> None:
    world.at["quick-1"].show(Fault("slow", only="inference", seconds=0.05))
    assert {world.front.ask("quick").by for _ in range(2)} == {"quick-1/quick", "quick-2/quick"}
    asked = world.since("quick")
    assert all(world.front.ask("quick").whole for _ in range(5))
    assert asked() == [0, 5]


def test_a_tier_is_an_ordered_choice(world: World) -> None:
    small, large = world.since("small"), world.since("large")
    assert world.front.ask("eco").whole
    assert (small(), large()) == ([1], [0])
    world.at["small-1"].fail("500")
    assert world.front.ask("eco").whole
    assert (small(), large()) == ([2], [1])


def test_a_mix_is_shared_by_weight_and_all_goes_to_the_rest_when_one_fails(world: World) -> None:
    sold, rented = world.since("sold"), world.since("rented")
    assert all(world.front.ask("assistant").whole for _ in range(10))
    assert (sold(), rented()) == ([8], [2])
    world.at["sold-1"].fail("500")
    sold, rented = world.since("sold"), world.since("rented")
    assert all(world.front.ask("assistant").whole for _ in range(5))
    assert (sum(sold()) <= 1, rented()) == (True, [5])


def test_what_exceeds_the_parallel_requests_of_an_instance_goes_to_the_next(world: World) -> None:
    with world.streaming("limited", "limited-1"):
        asked = world.since("limited")
        assert world.front.ask("limited").whole
        assert asked() == [0, 1]
    assert world.front.ask("limited").by == "limited-1/limited"


def test_what_exceeds_the_rate_of_an_instance_goes_to_the_next(world: World) -> None:
    asked = world.since("rated")
    assert all(world.front.ask("rated").whole for _ in range(4))
    assert asked()[0] <= 2
    assert sum(asked()) == 4


def test_tokens_beyond_the_limit_of_an_instance_go_to_the_next(world: World) -> None:
    assert world.front.ask("counted").by == "counted-1/counted"
    # LiteLLM counts the tokens of an answer a moment after it.
    assert wait_until(lambda: world.front.ask("counted").by == "counted-2/counted", DEADLINE)
    assert world.front.ask("counted").whole


def test_a_prompt_that_is_too_long_goes_along_its_own_chain(world: World) -> None:
    roomy = world.since("roomy")
    assert world.front.ask("strict", **tell("a long story")).whole
    assert roomy() == [1]
    assert world.front.ask("strict").by == "strict-1/strict"


def test_a_prompt_that_is_refused_goes_along_its_own_chain(world: World) -> None:
    bold = world.since("bold")
    assert world.front.ask("strict", **tell("forbidden words")).whole
    assert bold() == [1]
    assert world.front.ask("strict").by == "strict-1/strict"


def test_a_bad_request_is_the_clients_and_puts_nobody_aside(world: World) -> None:
    found = world.front.ask("strict", **tell("a wrong temperature"))
    assert (found.status, "at most 2" in found.error) == (400, True)
    assert world.front.ask("strict").by == "strict-1/strict"


def test_the_chain_answers_when_nobody_of_the_model_is_left(world: World) -> None:
    world.at["chained-1"].fail("500")
    chained, last = world.since("chained"), world.since("last")
    assert all(world.front.ask("chained").whole for _ in range(3))
    assert (chained(), last()) == ([1], [3])


def test_a_request_with_an_image_passes_over_a_model_that_cannot_see_it(world: World) -> None:
    world.at["seeing-1"].fail("500")
    last = world.since("last")
    image = {"type": "image_url", "image_url": {"url": RED_PNG}}
    looks = {"messages": [{"role": "user", "content": [image]}]}
    # As it is asked for the first time, and as it is put aside.
    for _ in range(3):
        found = world.front.ask("seeing", **looks)
        assert (found.status, "internal server error" in found.error) == (500, True), found
    assert last() == [0]
    assert world.front.ask("seeing").by == "last-1/last"
    world.at["seeing-1"].mend()
    assert wait_until(lambda: world.front.ask("seeing", **looks).by == "seeing-1/seeing", DEADLINE)


def test_a_client_gets_the_true_error_when_nobody_is_left(world: World) -> None:
    world.at["alone-1"].fail("500")
    for _ in range(3):
        found = world.front.ask("alone")
        assert (found.status, "internal server error" in found.error) == (500, True)


def test_an_explicit_only_model_has_no_default_chain(world: World) -> None:
    world.at["proud-1"].fail("500")
    last = world.since("last")
    assert world.front.ask("proud").status == 500
    assert last() == [0]


def test_a_wildcard_asks_for_the_model_that_is_named(world: World) -> None:
    assert world.front.ask("any/other").text.startswith("[vllm other]")


def test_a_model_that_a_wildcard_lacks_puts_nobody_aside(world: World) -> None:
    assert world.front.ask("any/none").status == 404
    assert world.front.ask("any/other").whole


def test_an_alias_is_another_name(world: World) -> None:
    assert world.front.ask("another").by == "last-1/last"


def test_each_provider_is_shown_its_own_key_and_headers_only(world: World) -> None:
    assert world.front.ask("keyed").whole
    assert world.front.ask("last").whole
    shown = [world.at[name].asked()[-1]["headers"] for name in ("keyed-1", "last-1")]
    keys = [
        hashlib.sha256(SECRETS[key].encode()).hexdigest() for key in ("OTHER_KEY", "PROVIDER_KEY")
    ]
    assert [each["Authorization"] for each in shown] == [f"Bearer sha256:{key}" for key in keys]
    assert [each.get("X-Client-Id") for each in shown] == ["rack1", None]


def test_nobody_waits_for_a_model_to_load_while_somebody_else_has_it(world: World) -> None:
    one, two = world.at["tower-1"], world.at["tower-2"]
    assert {world.front.ask("tower").by for _ in range(2)} == {"tower-1/tower", "tower-2/tower"}
    two.fail("refused")
    assert wait_until(lambda: world.front.ask("tower").by == "tower-1/tower", DEADLINE)
    two.show(Fault("load", only="inference", seconds=10))
    # It is asked to load as soon as a client could have had it.
    assert wait_until(lambda: world.front.ask("tower").whole and two.asked(own=True), DEADLINE)
    asked = world.since("tower")
    assert all(world.front.ask("tower").whole for _ in range(3))
    assert asked() == [3, 0]
    assert not one.asked(own=True)
    assert wait_until(lambda: world.front.ask("tower").by == "tower-2/tower", DEADLINE)
