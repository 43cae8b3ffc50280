"""Transcriptions, speech, ranks and images when an instance fails; and their proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from llmrack.secrets.value import Secret
from llmrack.stack.deployments import deployments
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.kinds import kind_of
from llmrack.stack.settings import Settings
from llmrack.verify.exchange import Bounds
from llmrack.verify.gateway import PROBES, GatewayAccess, prove_gateway
from llmrack.verify.probes import Target
from llmrack.verify.results import Failed
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.gateway_process import KEY
from tests.lab.kinds_front import (
    KINDS,
    PAID,
    WATCHED,
    World,
    answered,
    kinds_front,
    noted,
)


@pytest.fixture(scope="module")
def world(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with kinds_front(gateway_python, tmp_path_factory.mktemp("kinds")) as found:
        yield found


def wait_for(world: World, kind: str, deployment: str) -> None:
    """Ask until this one answers, which nobody keeps from it any more."""
    model = deployment.partition("/")[2]
    assert wait_until(lambda: answered(kind, world.ask(kind, model)) == deployment, DEADLINE)


@pytest.fixture(autouse=True)
def _all_are_well(world: World) -> Iterator[None]:
    """Nobody is put aside from one test to the next."""
    yield
    for name, models in (("first", PAID), ("third", WATCHED)):
        if world.others[name].provider.fault.mode != "ok":
            world.others[name].mend()
            for kind in KINDS:
                wait_for(world, kind, f"{name}/{models[kind]}")


@pytest.mark.parametrize("cause", ["500", "401", "refused", "cut", "hang"])
@pytest.mark.parametrize("kind", KINDS)
def test_another_instance_answers_when_the_first_one_fails(
    world: World, kind: str, cause: str
) -> None:
    world.others["third"].fail(cause)
    body = {"timeout": 3} if cause == "hang" else {}
    assert answered(kind, world.ask(kind, WATCHED[kind], **body)) == f"fourth/{WATCHED[kind]}"


@pytest.mark.parametrize("kind", KINDS)
def test_who_failed_is_put_aside_and_is_back_when_it_is_well(world: World, kind: str) -> None:
    model, third = WATCHED[kind], world.others["third"]
    third.fail("500")
    before = len(world.aside())
    assert answered(kind, world.ask(kind, model)) == f"fourth/{model}"
    assert world.aside()[before:], "nobody is put aside"
    asked = len(third.asked())
    assert answered(kind, world.ask(kind, model)) == f"fourth/{model}"
    assert len(third.asked()) == asked
    third.mend()
    wait_for(world, kind, f"third/{model}")
    # By the gateway's own request, but of images, which cost money.
    own = [each for each in third.asked(own=True) if each["model"] == kind]
    assert bool(own) == (kind != "image")


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_not_watched_rests_and_is_tried_again(world: World, kind: str) -> None:
    first = world.others["first"]
    first.fail("500")
    assert answered(kind, world.ask(kind, PAID[kind])) == f"second/{PAID[kind]}"
    first.mend()
    wait_for(world, kind, f"first/{PAID[kind]}")


def test_the_log_has_the_attempts_of_a_request(world: World) -> None:
    world.others["first"].fail("500")
    count = len([each for each in world.lines() if each["model"] == "voice"])
    answered("speech", world.ask("speech", "voice"))
    line = noted(world, "voice", count + 1)[-1]
    assert [each["instance"] for each in line["attempts"]] == ["first"]
    assert (line["instance"], line["position"]) == ("second", 0)


def test_each_kind_is_proven(world: World) -> None:
    gateway = Host("gateway", frozenset({"gateway"}), "127.0.0.1", Settings())
    found = deployments(world.stack, Fleet((gateway,)), gateway)
    client = httpx.Client(base_url=world.front.process.url, timeout=30, trust_env=False)
    results = prove_gateway(
        GatewayAccess(client, "gateway", Secret(KEY), 1), world.stack, found, print
    )
    assert [each for each in results if not each.ok] == []
    proven = {(each.subject, each.check, each.instance) for each in results}
    for kind, name in PAID.items():
        assert {(name, kind, "first"), (name, kind, "second")} <= proven
    # No image is made only to see that the name leads to the instances that have made one.
    assert (PAID["image"], "name") not in {(each.subject, each.check) for each in results}


def test_a_server_that_cannot_is_not_proven(world: World) -> None:
    world.others["first"].fail("missing")
    gateway = Host("gateway", frozenset({"gateway"}), "127.0.0.1", Settings())
    found = [
        each
        for each in deployments(world.stack, Fleet((gateway,)), gateway)
        if each.id in {f"first/{name}" for name in PAID.values()}
    ]
    client = httpx.Client(base_url=world.front.process.url, timeout=30, trust_env=False)
    for one in found:
        kind = kind_of(world.stack.models[one.model])
        bounds = Bounds(30, 30)
        target = Target(client, Secret(KEY), one.id, [one], bounds, bounds, None)
        with pytest.raises(Failed, match="does not know the model"):
            PROBES[kind][0](target)
