"""What is put aside, for how long, and who may try it."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from llmrack.shipped.gateway.routing import health

Instance, Rest = health.Instance, health.Rest


async def proof() -> None:
    """Nothing is asked here."""


@pytest.fixture
def watched() -> Any:
    return Instance("box1", watched=True)


@pytest.fixture
def paid() -> Any:
    return Instance("cloud", watched=False)


def test_what_rests_is_not_asked_where_somebody_watches(watched: Any) -> None:
    watched.put_aside(Rest(0.0, "500", proof), "box1")
    assert not watched.can_be_asked("m", time.monotonic())


def test_a_model_rests_alone(watched: Any) -> None:
    watched.model("m").put_aside(Rest(math.inf, "404", proof), "box1/m")
    assert not watched.can_be_asked("m", time.monotonic())
    assert watched.can_be_asked("other", time.monotonic())


def test_one_request_tries_after_the_rest_where_nobody_watches(paid: Any) -> None:
    now = time.monotonic()
    paid.put_aside(Rest(now, "500"), "cloud")
    assert paid.can_be_asked("m", now)
    paid.tried("m", math.inf)
    assert not paid.can_be_asked("m", now)


def test_no_request_tries_what_is_watched(watched: Any) -> None:
    watched.put_aside(Rest(0.0, "500", proof), "box1")
    assert watched.tried("m", math.inf) == []
    assert watched.rest.trying == 0.0


def test_another_failure_does_not_let_a_second_one_try(paid: Any) -> None:
    now = time.monotonic()
    paid.put_aside(Rest(now, "500"), "cloud")
    paid.tried("m", math.inf)
    paid.put_aside(Rest(now, "500"), "cloud")
    assert not paid.can_be_asked("m", now)


def test_another_failure_does_not_shorten_what_was_asked_for(paid: Any) -> None:
    now = time.monotonic()
    paid.put_aside(Rest(now + 30, "429"), "cloud")
    paid.put_aside(Rest(now + 1, "500"), "cloud")
    assert paid.rest.until == now + 30


def test_a_failure_gives_a_silent_instance_a_proof(watched: Any) -> None:
    now = time.monotonic()
    watched.put_aside(Rest(math.inf, "silent"), "box1")
    watched.put_aside(Rest(now, "refused", proof), "box1")
    assert (watched.rest.until, watched.rest.proof) == (now, proof)


def test_an_answer_ends_the_rest_of_the_instance_and_of_the_model(watched: Any) -> None:
    watched.put_aside(Rest(math.inf, "401", proof), "box1")
    for name in ("m", "other"):
        watched.model(name).put_aside(Rest(math.inf, "500", proof), f"box1/{name}")
    watched.well("m")
    now = time.monotonic()
    assert watched.can_be_asked("m", now)
    assert not watched.can_be_asked("other", now)


def test_proofs_come_later_each_time_that_no_client_was_answered_in_between(watched: Any) -> None:
    model, waits = watched.model("m"), []
    for _ in range(6):
        now = time.monotonic()
        model.put_aside(Rest(now, "cut", proof), "box1/m")
        waits.append(round(model.rest.until - now))
        watched.well("m")
    assert waits == [0, 2, 4, 8, 10, 10]
    watched.well("m")
    now = time.monotonic()
    model.put_aside(Rest(now, "cut", proof), "box1/m")
    assert model.rest.until == now


def test_nothing_is_loaded_any_more_where_the_instance_was_lost(watched: Any) -> None:
    watched.loaded = frozenset({"m:latest"})
    assert watched.has_loaded("m", time.monotonic())
    watched.lost()
    assert watched.has_loaded("m", time.monotonic()) is False


def test_a_listed_model_for_which_requests_wait_may_still_be_loading(watched: Any) -> None:
    now = time.monotonic()
    watched.see_loaded(frozenset({"m:latest"}), now)
    watched.model("m").running = 1
    assert watched.has_loaded("m", now) is False
    watched.well("m")
    assert watched.has_loaded("m", now) is True


def test_what_is_listed_no_more_counts_as_answered_no_more(watched: Any) -> None:
    watched.well("m")
    now = time.monotonic()
    watched.see_loaded(frozenset(), now)
    assert watched.has_loaded("m", now) is True
    watched.see_loaded(frozenset(), now + 60)
    assert watched.has_loaded("m", now + 60) is False


def test_a_model_has_as_many_requests_as_it_may(watched: Any) -> None:
    deployment = health.Deployment(
        *("box1/m", watched, "m", 1, 1.0, "chat", "http", None, 60.0, 60.0, "m", "local", 0, False),
        rules=None,
        params={"max_parallel_requests": 1},
    )
    assert deployment.can_be_asked(time.monotonic())
    deployment.model.running = 1
    assert not deployment.can_be_asked(time.monotonic())
