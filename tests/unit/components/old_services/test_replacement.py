"""llmrack takes the place of services of somebody else: when, by what, and back if that fails."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmrack.components.old_services.replacement import (
    NoLongerReplaced,
    Place,
    Replacement,
    Successor,
    kept_replaced,
    place_of,
)
from llmrack.components.old_services.services import OldService
from llmrack.components.plan import by_component, plan_text
from llmrack.components.removal import removals
from llmrack.resources.change import Change, Shell, plan
from llmrack.resources.look import ListenerSeen, Look, Seen, UnitSeen
from llmrack.stack.fleet import Fleet, Host
from tests.unit.components.old_services.pretended_services import Pretended
from tests.unit.declare import host, site, stack

NAME = "ollama.service"
RUNS = OldService(NAME, runs=True, held=False, noted=False)
STOPPED = OldService(NAME, runs=False, held=False, noted=False)
REPLACED = OldService(NAME, runs=False, held=True, noted=True)
HOLDER = ListenerSeen("127.0.0.1:11434", "7", "ollama", NAME, "ollama")
LITELLM = OldService("c0ffee", True, False, False, frozenset({4000}))
ENGINE, GATEWAY = "Replacement by Ollama", "Replacement by the gateway"
PLACE = Place(frozenset({11434}), frozenset({4000}))
ACTIVE = UnitSeen("active", "enabled", fresh=True)


@dataclass(frozen=True)
class Started:
    """Something that takes the place: it prepares, then starts."""

    name: str = "Unit new.service"
    script: str = "exit 0"

    def look(self, look: Look) -> None:
        """Nothing."""

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Always due."""
        return Change(self.name, "not running", (Shell("prepare"), Shell(self.script, timeout=60)))


def replacement(*resources: Started, entries: tuple[str, ...] = (NAME,)) -> Replacement:
    successor = Successor("Ollama", True, ("new.service",), resources or (Started(),))
    return Replacement(entries, PLACE, "llm", successor)


def seen_with(*services: OldService, **more: object) -> Seen:
    """A host that has services, each by its entry: a unit by its name, a container of Docker."""
    entries = {
        each.unit if each.unit.endswith(".service") else "docker:litellm": each for each in services
    }
    return Seen(parts={"old": entries}, **more)  # type: ignore[arg-type]


def changes(box: Host, seen: Seen) -> dict[str, list[Change]]:
    """What a deploy would change of the host, by component."""
    parts = by_component(site(fleet=Fleet((box,))), box, "amd64")
    return {component: plan(resources, seen) for component, resources in parts.items()}


def named(box: Host, seen: Seen) -> dict[str, str]:
    """What a deploy would replace: by the replacement's name, why."""
    every = [change for part in changes(box, seen).values() for change in part]
    return {each.resource: each.why for each in every if each.resource.startswith("Replacement")}


def test_without_the_setting_nothing_is_replaced() -> None:
    resources = [each.name for part in parts_of(host()).values() for each in part]
    assert not [name for name in resources if name.startswith("Replacement")]


def parts_of(box: Host) -> dict[str, list]:  # type: ignore[type-arg]
    return by_component(site(fleet=Fleet((box,))), box, "amd64")


def test_the_place_is_taken_after_everything_was_fetched() -> None:
    parts = parts_of(host(replaces=[NAME]))
    engine = [each.name for each in parts["ollama"]]
    place = engine.index(ENGINE)
    assert engine[place + 1] == "Unit llmrack-ollama@main.service"
    assert any(name.startswith("Archive ") for name in engine[:place])
    gateway = [each.name for each in parts["gateway"]]
    place = gateway.index(GATEWAY)
    assert gateway[place + 1 : place + 3] == ["Unit llmrack-gateway.socket", "Gateway"]
    assert any(name.startswith("Release ") for name in gateway[:place])


def test_the_firewall_rule_comes_when_the_clients_of_the_old_service_have_gone() -> None:
    guard, unit = "Unit llmrack-guard.service", "Unit llmrack-ollama@main.service"
    box = host(replaces=[NAME], ollama_bind="0.0.0.0")
    engine = [each.name for each in parts_of(box)["ollama"]]
    place = engine.index(ENGINE)
    assert engine[place + 1 : place + 3] == [guard, unit]
    (change,) = [
        each for each in changes(box, seen_with(RUNS))["ollama"] if each.resource == ENGINE
    ]
    assert change.includes == (guard, unit)
    assert isinstance(change.actions[-1], Shell)
    fails = change.actions[-1].script.partition(") && exit 0\n")[2]
    assert "systemctl -q disable --now llmrack-guard.service" in fails
    # Nothing is to be waited for elsewhere.
    others = [each.name for each in parts_of(host(ollama_bind="0.0.0.0"))["ollama"]]
    assert others.index(guard) < others.index("Directory /home/llm/.ollama/models")


def test_one_change_stops_the_old_service_and_starts_the_new_one() -> None:
    box, seen = host(replaces=[NAME]), seen_with(RUNS, listeners=[HOLDER])
    assert named(box, seen) == {
        ENGINE: f"{NAME} runs, and is stopped; Unit llmrack-ollama@main.service after it"
    }
    names = [change.resource for change in changes(box, seen)["ollama"]]
    assert "Unit llmrack-ollama@main.service" not in names


def test_a_gateway_is_tried_before_the_old_one_is_stopped() -> None:
    box = host(replaces=["docker:litellm"])
    (change,) = [
        each for each in changes(box, seen_with(LITELLM))["gateway"] if each.resource == GATEWAY
    ]
    assert change.includes == ("Unit llmrack-gateway.socket", "Gateway")
    gate, swap = (action.script for action in change.actions if isinstance(action, Shell))
    assert "llmrack-gateway-candidate" in gate and "docker:litellm" not in gate
    before, _, after = swap.partition("llmrack-gateway.socket")
    assert "docker:litellm" in before and "docker:litellm" in after


def test_each_is_replaced_by_what_takes_its_port() -> None:
    box = host(replaces=[NAME, "docker:litellm"])
    both = named(box, seen_with(RUNS, LITELLM, listeners=[HOLDER]))
    assert both.keys() == {ENGINE, GATEWAY}
    assert both[ENGINE].startswith(NAME) and both[GATEWAY].startswith("docker:litellm")
    # One without a port of ours makes room for the first.
    assert named(box, seen_with(STOPPED)).keys() == {ENGINE}


def test_a_host_with_a_gateway_alone_replaces_all_by_it() -> None:
    box = host(groups=("gateway",), replaces=[NAME])
    assert named(box, seen_with(RUNS)).keys() == {GATEWAY}


def test_a_host_where_nothing_of_llmrack_serves_replaces_nothing() -> None:
    box = host(groups=("monitor",), replaces=[NAME])
    assert kept_replaced(stack(), box) == ()
    fleet = Fleet((box, host("box2", address="10.0.0.2")))
    parts = by_component(site(fleet=fleet), box, "amd64")
    every = [each for part in parts.values() for each in plan(part, seen_with(RUNS))]
    assert not [each for each in every if each.resource.startswith("Replacement")]


def test_what_is_replaced_needs_no_change() -> None:
    assert named(host(replaces=[NAME]), seen_with(REPLACED)) == {}
    assert named(host(replaces=[NAME]), Seen()) == {}


def test_one_that_could_start_at_the_next_boot_is_kept_from_it() -> None:
    assert named(host(replaces=[NAME]), seen_with(STOPPED))[ENGINE].startswith(
        f"{NAME} could start; "
    )


def test_beside_units_that_run_it_is_only_stopped() -> None:
    units = {"new.service": ACTIVE}
    change = replacement().change(seen_with(RUNS, units=units), ())
    assert change and change.why == f"{NAME} runs, and is stopped"
    assert change.includes == () and len(change.actions) == 1


def test_units_come_before_containers_which_they_may_start() -> None:
    services = seen_with(RUNS, OldService("c0ffee", True, False, False))
    change = replacement(entries=("docker:litellm", NAME)).change(services, ())
    assert change and change.why.startswith(
        f"{NAME} runs, and is stopped, docker:litellm runs, and is stopped; "
    )


def test_the_ports_of_a_host_are_its_place() -> None:
    assert place_of(stack(), host(ollama_port=11500)) == Place(
        frozenset({11500}), frozenset({4000})
    )
    assert place_of(stack(), host(groups=("gpu",))).gateway == frozenset()


@pytest.fixture
def box(tmp_path: Path) -> Pretended:
    made = Pretended(tmp_path)
    made.unit(NAME)
    return made


def carried_out(box: Pretended, *resources: Started) -> tuple[int, list[str]]:
    """Exit code and output of the script that takes the place."""
    change = replacement(*resources).change(seen_with(RUNS), ())
    assert change
    *prepare, take = change.actions
    assert all(action == Shell("prepare") for action in prepare)
    assert isinstance(take, Shell)
    done = box.sh(take.script)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def test_the_new_one_starts_when_the_old_one_has_stopped(box: Pretended) -> None:
    start = Started(script=f"cat {box.folder}/units/{NAME}/ActiveState >{box.folder}/then")
    assert carried_out(box, start) == (0, [])
    assert (box.folder / "then").read_text() == "inactive\n"
    assert box.state(NAME) == "inactive"
    assert box.notes == [f"replaced {NAME} running"]
    assert not [call for call in box.calls if "disable" in call]


def test_where_the_new_one_does_not_start_the_old_one_is_back(box: Pretended) -> None:
    fails = Started("Unit other.service", "echo 'new.service does not start'; exit 1")
    assert carried_out(box, Started(), fails) == (
        1,
        ["new.service does not start", f"{NAME} runs again"],
    )
    assert box.state(NAME) == "active"
    assert not box.drop_in(NAME).exists()
    assert box.notes == []
    # Or it would be tried again and again, at the same port.
    stop = "systemctl --user -q disable --now new.service"
    assert box.calls.index(stop) < box.calls.index(f"systemctl start -- {NAME}")


def test_where_the_old_one_cannot_be_stopped_nothing_is_started(box: Pretended) -> None:
    (box.folder / "units" / NAME / "stays").touch()
    code, printed = carried_out(box, Started(script=f"touch {box.folder}/then"))
    assert (code, printed[0]) == (1, f"{NAME} cannot be stopped")
    assert not (box.folder / "then").exists()
    assert box.notes == []


def test_the_script_has_time_for_all_of_it() -> None:
    change = replacement(Started(), Started("Unit other.service")).change(seen_with(RUNS), ())
    assert change and isinstance(change.actions[-1], Shell)
    assert change.actions[-1].timeout >= 120 + 2 * 60 + 30


def test_one_that_is_no_longer_declared_is_brought_back() -> None:
    seen = Seen(made={"user llm", f"replaced {NAME} running", "replaced docker:a running no"})
    change = NoLongerReplaced(("docker:a",)).change(seen, ())
    assert change and change.why == f"to be as before: {NAME}"
    assert NoLongerReplaced(("docker:a", NAME)).change(seen, ()) is None


def test_it_is_brought_back_when_llmrack_has_left_its_ports() -> None:
    name = NoLongerReplaced().name
    assert [each.name for each in parts_of(host())["gateway"]][-1] == name
    assert removals(host())["system"][0].name == name
    removed = removals(host(replaces=[NAME]))["system"][0]
    assert removed.change(Seen(made={f"replaced {NAME} running"}), ())


def test_the_plan_names_what_is_replaced() -> None:
    box = host(replaces=[NAME, "docker:a"])
    assert f"  replaces {NAME}, docker:a\n" in plan_text(site(fleet=Fleet((box,))), box, False)
