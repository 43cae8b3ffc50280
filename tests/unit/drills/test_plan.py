"""Drills: which of them follow from a declaration, and how they are shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from llmrack.drills.breakage import breakage
from llmrack.drills.plan import Asked, Cause, Drill, Plan, paid_requests, plan
from llmrack.drills.report import drill_json, drill_table, intention
from llmrack.resources.script import script_file
from llmrack.stack.fleet import Fleet
from llmrack.stack.schema import Stack
from llmrack.verify.results import Report, Result
from tests.unit.declare import host, two_boxes

LOCAL = {"kind": "ollama", "group": "gpu"}
CLOUD = {"kind": "ollama-cloud"}


def stack(local: dict | None = None, cloud: dict | None = None, **more) -> Stack:
    providers = {"local": LOCAL | (local or {}), "cloud": CLOUD | (cloud or {})}
    models = {"llama": {"provider": "local"}, "gpt": {"provider": "cloud"}}
    return Stack.model_validate({"providers": providers, "models": models} | more)


def plan_of(declared: Stack, fleet: Fleet | None = None, limit: str | None = None) -> Plan:
    fleet = fleet or two_boxes()
    return plan(declared, fleet, fleet.gateways[0], limit)


def one_box() -> Fleet:
    return Fleet((host(),))


def one(drills: Plan, instance: str, cause: Cause) -> Drill:
    (drill,) = (d for d in drills.drills if (d.instance, d.cause) == (instance, cause))
    return drill


def names(drill: Drill) -> list[str]:
    return [asked.name for asked in drill.asked]


def test_an_instance_is_lost_in_every_way_that_its_place_allows() -> None:
    drills = plan_of(stack(chains={"gpt": ["llama"]}))
    assert [(drill.title, drill.at.name) for drill in drills.drills] == [
        ("box1 stopped", "box1"),
        ("box1 frozen", "box1"),
        ("box2 stopped", "box2"),
        ("box2 frozen", "box2"),
        ("box2 cut off", "box1"),
        ("cloud refused", "box1"),
        ("cloud cut off", "box1"),
    ]


def test_what_nobody_stands_in_for_is_not_broken() -> None:
    drills = plan_of(stack(), one_box())
    assert drills.drills == ()
    assert drills.alone == (("box1", ("llama",)), ("cloud", ("gpt",)))


def test_names_that_are_lost_along_with_others_are_told() -> None:
    models = {"llama": {"provider": "local"}, "big": {"provider": "local"}}
    declared = stack(models=models | {"gpt": {"provider": "cloud"}}, chains={"big": ["gpt"]})
    (stopped, _) = plan_of(declared, one_box()).drills
    assert (names(stopped), stopped.alone) == (["big"], ("llama",))


def test_an_instance_after_others_is_not_missed() -> None:
    fleet = Fleet((host(ollama_priority=1), host("box2", ("gpu",), ollama_priority=2)))
    drills = plan_of(stack(), fleet)
    assert {drill.instance for drill in drills.drills} == {"box1"}


def test_tiers_and_mixes_are_names_too() -> None:
    declared = stack(
        tiers={"eco": ["llama", "gpt"], "best": ["gpt", "llama"]},
        mixes={"half": {"llama": 1, "gpt": 1}},
    )
    drills = plan_of(declared, one_box())
    assert names(one(drills, "box1", Cause.STOPPED)) == ["eco", "half"]
    assert names(one(drills, "cloud", Cause.REFUSED)) == ["best", "half"]


def test_wildcards_are_not_asked() -> None:
    models = {"any/*": {"provider": ["cloud", "other"]}}
    providers = {"cloud": CLOUD, "other": CLOUD | {"url": "https://other"}}
    drills = plan_of(Stack.model_validate({"providers": providers, "models": models}))
    assert drills.drills == ()


def test_who_is_asked_next_comes_first_in_the_name_then_in_its_chain() -> None:
    (asked,) = one(plan_of(stack(chains={"llama": ["gpt"]})), "box1", Cause.STOPPED).asked
    assert [drill.id for drill in asked.standins] == ["box2/llama", "cloud/gpt"]
    assert [drill.id for drill in asked.next] == ["box2/llama"] and not asked.paid
    (asked,) = one(plan_of(stack(chains={"llama": ["gpt"]}), one_box()), "box1", "stopped").asked
    assert [drill.id for drill in asked.next] == ["cloud/gpt"] and asked.paid


def test_a_volley_is_so_long_that_the_instance_gets_its_turn() -> None:
    def volley(**weights: float) -> int:
        hosts = (host(name, ("gpu", "gateway"), ollama_weight=w) for name, w in weights.items())
        (asked,) = one(plan_of(stack(), Fleet(tuple(hosts))), "box1", Cause.STOPPED).asked
        return asked.volley

    assert volley(box1=1, box2=1) == 2
    assert volley(box1=3, box2=1) == 2
    assert volley(box1=1, box2=99) == 4


def deadline(cause: Cause, instance: str = "box2", local: dict | None = None, **cloud) -> float:
    drills = plan_of(stack(local, cloud, chains={"gpt": ["llama"]}))
    return one(drills, instance, cause).asked[0].deadline


def test_what_a_connection_tells_has_no_deadline() -> None:
    assert deadline(Cause.STOPPED) == deadline(Cause.REFUSED, "cloud") == 0


def test_silence_is_borne_for_as_long_as_is_declared() -> None:
    assert deadline(Cause.FROZEN, local={"first_token_timeout": 2}) == 2
    assert deadline(Cause.CUT_OFF, local={"first_token_timeout": 2}) == 3
    assert deadline(Cause.CUT_OFF, "cloud", first_token_timeout=4) == 4


def test_undeclared_silence_is_borne_until_the_gateway_notices_it() -> None:
    assert deadline(Cause.FROZEN) == 6
    assert deadline(Cause.CUT_OFF, "cloud") == 5
    assert deadline(Cause.CUT_OFF, "cloud", health_check=True) == 6


def test_a_limit_leaves_the_instances_of_a_host_or_group() -> None:
    fleet = Fleet((*two_boxes().hosts, host("box3", ("gpu", "new"), "10.0.0.3")))

    def limited(name: str) -> set[str]:
        drills = plan_of(stack(chains={"gpt": ["llama"]}), fleet, name)
        return {drill.instance for drill in drills.drills}

    assert limited("box2") == {"box2"}
    assert limited("new") == {"box3"}
    assert limited("box1") == {"box1", "cloud"}


def test_paid_requests_are_counted_for_who_is_lost_and_who_stands_in() -> None:
    # By itself; each of two ways: a trial, and once more by itself.
    assert paid_requests(stack(), plan_of(stack(chains={"gpt": ["llama"]}))) == {"cloud": 5}
    # By itself; each of two ways: two at once, one more, and some until box1 is back.
    declared = stack(chains={"llama": ["gpt"]})
    assert paid_requests(declared, plan_of(declared, one_box())) == {"cloud": 1 + 2 * (2 + 1 + 3)}
    assert paid_requests(declared, plan_of(declared)) == {"cloud": 1}


def test_an_embedding_model_is_asked_for_vectors() -> None:
    models = {"embed": {"provider": "local", "capabilities": ["embedding"]}}
    asked: Asked = one(plan_of(stack(models=models)), "box1", Cause.STOPPED).asked[0]
    assert asked.kind == "embedding"


def test_the_way_to_a_provider_is_broken_for_the_gateways_user_alone() -> None:
    drills = plan_of(stack(chains={"gpt": ["llama"]}))
    begin = breakage(one(drills, "cloud", Cause.REFUSED)).begin
    words = ("llm", "ollama.com", 443, "reject with tcp reset", "inet llmrack_drill")
    assert begin == script_file("drills/cut-off.sh", *words)
    assert " 11434 drop " in breakage(one(drills, "box2", Cause.CUT_OFF)).begin


def test_a_host_restores_by_the_same_script_as_we_do() -> None:
    how = breakage(one(plan_of(stack()), "box1", Cause.FROZEN))
    assert "kill -s SIGSTOP llmrack-ollama@main.service" in how.begin
    assert "kill -s SIGCONT llmrack-ollama@main.service" in how.end
    assert how.restore.startswith(how.end)
    assert "--on-active=30" in how.arm(30) and "SIGCONT" in how.arm(30)


def results(*changed: Result) -> Report:
    drills = {
        check: Result(
            "box1", "gpt", f"cut off: {check}", True, "cloud", 2.0, detail="answered by box1/llama"
        )
        for check in ("stream", "plain", "again", "back")
    }
    for drill in changed:
        drills[drill.check.removeprefix("cut off: ")] = drill
    return Report(tuple(drills.values()), datetime(2026, 1, 2, tzinfo=UTC))


def test_the_table_has_a_row_for_each_cause_and_name() -> None:
    text = drill_table(results(), [plan_of(stack(chains={"gpt": ["llama"]}))], ["cloud"])
    (row,) = (line for line in text.splitlines() if line.startswith(" cloud cut off"))
    assert row.split() == ["cloud", "cut", "off", "gpt", "box1/llama"] + ["2.00", "s"] * 4
    assert "4 of 4 checks proven." in text


def test_the_table_says_what_failed_and_why() -> None:
    failed = Result("box1", "gpt", "cut off: plain", False, "cloud", detail="too late; hurry")
    text = drill_table(results(failed), [plan_of(stack(chains={"gpt": ["llama"]}))])
    assert "2.00 s  FAILED  2.00 s  2.00 s" in text
    assert "FAILED box1: gpt on cloud (cut off: plain): too late; hurry" in text


def test_what_is_told_fits_80_columns() -> None:
    long = "an-organisation/some-model-with-a-rather-long-name:671b-q4_K_M"
    models = {long: {"provider": "local"}, "gpt": {"provider": "cloud"}}
    declared = stack(models=models, chains={"gpt": [long]})
    plans = [plan_of(declared)]
    for text in (intention(declared, plans), drill_table(results(), plans)):
        assert max(map(len, text.splitlines())) <= 80 and "…" not in text


def test_programs_are_told_what_nobody_stands_in_for() -> None:
    report = json.loads(drill_json(results(), [plan_of(stack(), one_box())]))
    assert report["no_standin"] == [
        {"name": "llama", "instance": "box1"},
        {"name": "gpt", "instance": "cloud"},
    ]
