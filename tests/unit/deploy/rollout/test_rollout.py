"""Whose turn it is to restart Ollama, and what happens when a host does not pass its gate."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from llmrack.components.engine import ModelSeen
from llmrack.components.ollama import ollama
from llmrack.components.ollama.engine_switch import EngineSwitch
from llmrack.deploy.rollout import rollout
from llmrack.deploy.rollout.draining import only_here
from llmrack.deploy.rollout.rollout import Means, Parts, parts, roll_out
from llmrack.deploy.run import turns as turns_module
from llmrack.deploy.run.turns import Turns
from llmrack.resources.change import Change, Shell, plan
from llmrack.resources.look import PathSeen, Seen, UnitSeen
from llmrack.stack.fleet import Fleet
from tests import DEADLINE
from tests.unit.declare import host, stack, two_boxes

UNIT = "llmrack-ollama@main.service"
KEPT = "/home/llm/.config/llmrack/ollama.before"


def fake(name: str = "box1", batch: int = 1, **more: Any) -> Any:
    """A rack of a host."""
    return SimpleNamespace(
        host=host(name, ollama_batch=batch),
        pyinfra_host=SimpleNamespace(name=name, print_prefix=f"[{name}] "),
        refused=False,
        is_seen=True,
        say=lambda text, log=None: None,
        **more,
    )


class Works:
    """Hosts that do their work in their turn, until they are told to end."""

    def __init__(self, batch: int = 1) -> None:
        self.turns, self.batch = Turns(), batch
        self.begun: list[str] = []
        self.ends: dict[str, Event] = {}
        self.well: dict[str, bool] = {}
        self.done: dict[str, Any] = {}

    def begin(self, *names: str) -> None:
        for name in names:
            self.ends[name] = Event()
            work = partial(self._work, name)
            turn = self.turns.turn
            self.done[name] = gevent.spawn(turn, name, lambda: self.batch, work, lambda: None)

    def _work(self, name: str) -> bool:
        self.begun.append(name)
        self.ends[name].wait()
        return self.well[name]

    def end(self, name: str, well: bool) -> None:
        self.well[name] = well
        self.ends[name].set()
        self.done[name].join(DEADLINE)

    def settle(self, number: int) -> list[str]:
        """Those that have begun, once they are so many; no more begin after that."""
        with gevent.Timeout(DEADLINE):
            while len(self.begun) < number:
                gevent.sleep(0.01)
        gevent.sleep(2 * turns_module.PACE)
        return self.begun


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "PACE", 0.01)


def test_the_first_to_come_goes_alone_whatever_the_batch() -> None:
    works = Works(batch=2)
    works.begin("a", "b", "c", "d")
    assert works.settle(1) == ["a"]
    works.end("a", well=True)
    assert len(works.settle(3)) == 3


def test_nobody_begins_after_a_failure() -> None:
    works = Works()
    works.begin("a", "b", "c")
    works.settle(1)
    works.end("a", well=False)
    gevent.joinall(list(works.done.values()), timeout=DEADLINE)
    assert works.begun == ["a"]
    assert [works.done[name].value for name in "abc"] == [False, None, None]


def test_a_host_that_breaks_has_failed() -> None:
    turns = Turns()

    def breaks() -> bool:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        turns.turn("a", lambda: 1, breaks, lambda: None)
    assert turns.turn("b", lambda: 1, lambda: True, lambda: None) is None


@pytest.fixture
def declared() -> Any:
    """Resources of box1, by kind of the switch."""
    return ollama.resources(stack(), two_boxes(), host("box1", ("gpu",)), "amd64")


def rack(declared: Any, seen: Seen) -> Any:
    made = fake(
        arch="amd64",
        seen=seen,
        resources=lambda arch: {"ollama": declared},
        run=SimpleNamespace(turns=Turns(), declared=SimpleNamespace(stack=stack()), racks={}),
    )
    made.state = SimpleNamespace(active_hosts=[made.pyinfra_host])
    made.run.racks["box1"] = made
    return made


def serving(**more: Any) -> Seen:
    """A host that runs an older release and has a model."""
    link = PathSeen("l", "llm", 0o777, "/home/llm/.local/opt/ollama/0.34.3-aaaaaaaa")
    return Seen(
        parts={"model": {"llama3.1:latest": ModelSeen("")}},
        paths={"/home/llm/.local/opt/ollama/current": link, **more},
        units={UNIT: UnitSeen("active", "enabled", True)},
    )


def test_a_first_installation_waits_for_nobody(declared: Any) -> None:
    changes = plan(declared, Seen())
    assert parts(rack(declared, Seen()), changes) == Parts(changes)


def test_what_serves_changes_together_and_the_rest_does_not_wait(declared: Any) -> None:
    seen = serving()
    divided = parts(rack(declared, seen), plan(declared, seen))
    assert isinstance(divided.switch, EngineSwitch)
    assert any(each.resource.startswith("Archive") for each in divided.before)
    assert {"Link /home/llm/.local/opt/ollama/current", f"Unit {UNIT}"} <= {
        each.resource for each in divided.in_turn
    }
    assert [each.resource for each in divided.after if "Ollama" in each.resource] == [
        "OllamaModel nomic-embed-text:latest",
    ]


def test_other_instances_in_the_place_of_those_that_serve_take_turns_too(declared: Any) -> None:
    units = "/home/llm/.config/systemd/user/default.target.wants/llmrack-ollama@other.service"
    seen = Seen(paths={units: PathSeen("l", "llm", 0o777, "")})
    assert parts(rack(declared, seen), plan(declared, seen)).switch is not None


def test_a_change_that_was_cut_off_is_still_to_be_proven(declared: Any) -> None:
    kept = PathSeen("d", "llm", 0o755, "")
    seen = serving(**{KEPT: kept})
    changes = plan(declared, seen)
    assert "Proof of Ollama's change" in [each.resource for each in changes]
    assert parts(rack(declared, seen), changes).switch is not None


class Upgrade:
    """The change of one host, each step noted; ``bad`` are those that fail."""

    def __init__(self, declared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self.bad: set[str] = set()
        seen = serving()
        self.declared = declared
        self.rack = rack(declared, seen)
        (self.switch,) = [each for each in declared if isinstance(each, EngineSwitch)]
        self.parts = parts(self.rack, plan(declared, seen))
        its = self.switch
        self.names = {
            its.keep.script: "keep",
            its.forget.script: "forget",
            its.back(seen).script: "back",
        }
        monkeypatch.setattr(rollout, "drained", self.drained)
        monkeypatch.setattr(rollout._HostInTurn, "_loaded", lambda *_: set())
        monkeypatch.setattr(rollout._HostInTurn, "_passes", lambda *_: self.step("gate"))

    def cut_off(self) -> None:
        """An earlier run has changed everything, and did not get to its proof."""
        self.rack.seen.paths[KEPT] = PathSeen("d", "llm", 0o755, "")
        proof = self.switch.change(self.rack.seen, ())
        self.parts = replace(self.parts, in_turn=[proof])

    @contextmanager
    def drained(self, rack: Any, instance: str) -> Any:
        self.steps.append(f"drain {instance}")
        yield
        self.steps.append(f"use {instance}")

    def step(self, name: str) -> bool:
        self.steps.append(name)
        return name not in self.bad

    def work(self, change: Change) -> bool:
        return self.step(change.resource.partition(" ")[0].lower())

    def run(self) -> bool:
        return roll_out(self.rack, self.parts, Means(self.work, self.script))

    def script(self, action: Shell) -> str:
        return "" if self.step(self.names[action.script]) else "no"


@pytest.fixture
def upgrade(declared: Any, monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    return Upgrade(declared, monkeypatch)


def test_an_instance_is_drained_while_it_restarts_and_is_proven(upgrade: Upgrade) -> None:
    assert upgrade.run()
    assert upgrade.steps == [
        *("keep", "link", "file", "file"),
        *("drain box1", "unit", "models", "gate", "use box1", "forget"),
    ]


@pytest.mark.parametrize("bad", ["unit", "models", "gate"])
def test_what_fails_goes_back_before_requests_come_again(upgrade: Upgrade, bad: str) -> None:
    upgrade.bad = {bad}
    assert not upgrade.run()
    assert upgrade.steps[-2:] == ["back", "use box1"]
    assert "forget" not in upgrade.steps


def test_a_file_that_cannot_be_written_goes_back_too(upgrade: Upgrade) -> None:
    upgrade.bad = {"file"}
    assert not upgrade.run()
    assert upgrade.steps == ["keep", "link", "file", "back"]


def test_nothing_is_changed_where_nothing_could_be_kept(upgrade: Upgrade) -> None:
    upgrade.bad = {"keep"}
    assert not upgrade.run()
    assert upgrade.steps == ["keep"]


def test_who_alone_serves_a_name_without_a_chain_is_found() -> None:
    lan = {"ollama_bind": "0.0.0.0"}
    fleet = Fleet((host(**lan), host("box2", ("gpu",), "10.0.0.2", **lan)))
    gateway = fleet.gateways[0]
    one = Fleet((gateway,))
    unchained = stack(chains={}, default_chain=[])
    assert only_here(unchained, fleet, gateway, "box2") == []
    assert only_here(unchained, one, gateway, "box1") == ["embed", "llama3.1:latest"]
    assert only_here(stack(), one, gateway, "box1") == ["embed"]


def test_a_change_that_nobody_has_proven_is_taken_back_after_a_failure(upgrade: Upgrade) -> None:
    upgrade.cut_off()
    upgrade.rack.run.turns.turn("another", lambda: 1, lambda: False, lambda: None)
    assert not upgrade.run()
    assert upgrade.steps == ["drain box1", "back", "use box1"]


@pytest.mark.parametrize("bad", [set(), {"gate"}], ids=["good", "bad"])
def test_a_change_that_nobody_has_proven_gets_no_requests_until_it_is(
    upgrade: Upgrade, bad: set[str]
) -> None:
    upgrade.cut_off()
    upgrade.bad = bad
    assert upgrade.run() == (not bad)
    ends = ["back", "use box1"] if bad else ["use box1", "forget"]
    assert upgrade.steps == ["keep", "proof", "drain box1", "gate", *ends]


def test_a_host_with_a_change_that_nobody_has_proven_goes_first(upgrade: Upgrade) -> None:
    unproven = rack(upgrade.declared, serving(**{KEPT: PathSeen("d", "llm", 0o755, "")}))
    unproven.host = host("box2")
    unproven.pyinfra_host.name = "box2"
    upgrade.rack.state.active_hosts.append(unproven.pyinfra_host)
    upgrade.rack.run.racks["box2"] = unproven
    waits = gevent.spawn(upgrade.run)
    waits.join(10 * turns_module.PACE)
    assert upgrade.steps == []
    upgrade.rack.run.turns.turn("box2", lambda: 1, lambda: True, lambda: None)
    assert waits.get(timeout=DEADLINE)
    assert upgrade.steps[-1] == "forget"


@pytest.mark.parametrize("gone", ["refused", "failed"])
def test_nobody_waits_for_a_host_that_will_not_have_its_turn(upgrade: Upgrade, gone: str) -> None:
    unproven = rack(upgrade.declared, serving(**{KEPT: PathSeen("d", "llm", 0o755, "")}))
    unproven.host = host("box2")
    unproven.pyinfra_host.name = "box2"
    unproven.refused = gone == "refused"
    if gone != "failed":
        upgrade.rack.state.active_hosts.append(unproven.pyinfra_host)
    upgrade.rack.run.racks["box2"] = unproven
    assert upgrade.run()


def test_a_host_stays_as_it_is_after_a_failure(upgrade: Upgrade) -> None:
    upgrade.rack.run.turns.turn("another", lambda: 1, lambda: False, lambda: None)
    assert not upgrade.run()
    assert upgrade.steps == []
