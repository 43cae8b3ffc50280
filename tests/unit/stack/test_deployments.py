"""Deployments: what a gateway can send requests to, by name, level and weight."""

from __future__ import annotations

import pytest

from llmrack.stack.deployments import Deployment, deployments
from llmrack.stack.fleet import Fleet
from tests.unit.declare import STACK, host, stack, two_boxes

CLOUD = "gpt-oss:20b-cloud"
LLAMA = "llama3.1:latest"
LAN = {"ollama_bind": "0.0.0.0"}


def found(name: str, fleet: Fleet | None = None, **parts) -> list[Deployment]:
    """What stands under a public name."""
    fleet = fleet or two_boxes()
    parts["models"] = STACK["models"] | parts.get("models", {})
    every = deployments(stack(**parts), fleet, fleet.hosts[0])
    assert len({deployment.id for deployment in every}) == len(every)
    return [deployment for deployment in every if deployment.name == name]


def provider(name: str, **changes):
    return {"providers": STACK["providers"] | {name: STACK["providers"][name] | changes}}


def shares(deployments_: list[Deployment]) -> dict[str, tuple[int, float]]:
    return {deployment.id: (deployment.level, deployment.weight) for deployment in deployments_}


def test_a_model_of_two_providers_is_asked_at_both_by_their_names_for_it():
    served = found("x", models={"x": {"provider": ["cloud", "local"], "context_length": 4096}})
    assert [(deployment.instance, deployment.litellm_model) for deployment in served] == [
        ("cloud", "ollama_chat/x"),
        ("box1", "ollama_chat/x:latest-ctx4096"),
        ("box2", "ollama_chat/x:latest-ctx4096"),
    ]


def test_the_key_of_one_provider_goes_to_no_other():
    served = found("x", models={"x": {"provider": ["vllm", "cloud", "local"]}})
    keys = {deployment.instance: deployment.secret for deployment in served}
    assert keys == {"vllm": None, "cloud": "OLLAMA_API_KEY", "box1": None, "box2": None}


def test_priority_and_weight_of_a_provider_are_those_of_its_instances():
    assert shares(found(LLAMA, **provider("local", priority=3, weight=2))) == {
        f"box1/{LLAMA}": (3, 2),
        f"box2/{LLAMA}": (3, 2),
    }


def test_a_hosts_priority_and_weight_come_before_the_providers():
    lan = LAN | {"ollama_priority": 5, "ollama_weight": 0.5}
    fleet = Fleet((host(**LAN), host("box2", ("gpu",), "10.0.0.2", **lan)))
    assert shares(found(LLAMA, fleet)) == {f"box1/{LLAMA}": (1, 1), f"box2/{LLAMA}": (5, 0.5)}


def test_members_of_a_tier_follow_each_other_with_all_their_levels():
    served = found(
        "eco",
        tiers={"eco": ["x", LLAMA]},
        models={"x": {"provider": ["cloud", "vllm"]}},
        **provider("vllm", priority=10),
    )
    assert shares(served) == {
        "cloud/x@eco": (1, 1),
        "vllm/x@eco": (10, 1),
        f"box1/{LLAMA}@eco": (101, 1),
        f"box2/{LLAMA}@eco": (101, 1),
    }


def test_the_share_of_a_mixs_member_is_split_among_its_instances():
    served = found("m", mixes={"m": {LLAMA: 80, CLOUD: 20}})
    assert shares(served) == {
        f"box1/{LLAMA}@m": (1, 40),
        f"box2/{LLAMA}@m": (1, 40),
        f"cloud/{CLOUD}@m": (1, 20),
    }


def test_the_split_within_a_mix_follows_the_weights():
    lan = LAN | {"ollama_weight": 3}
    fleet = Fleet((host(**LAN), host("box2", ("gpu",), "10.0.0.2", **lan)))
    served = shares(found("m", fleet, mixes={"m": {LLAMA: 80, CLOUD: 20}}))
    assert served[f"box1/{LLAMA}@m"] == (1, 20)
    assert served[f"box2/{LLAMA}@m"] == (1, 60)


def test_a_stand_by_takes_no_share_of_a_mix_while_others_serve():
    lan = LAN | {"ollama_priority": 2}
    fleet = Fleet((host(**LAN), host("box2", ("gpu",), "10.0.0.2", **lan)))
    served = shares(found("m", fleet, mixes={"m": {LLAMA: 80, CLOUD: 20}}))
    assert served == {
        f"box1/{LLAMA}@m": (1, 80),
        f"box2/{LLAMA}@m": (2, 80),
        f"cloud/{CLOUD}@m": (1, 20),
    }


def test_shares_of_a_mix_hold_whatever_the_providers_priorities():
    served = found("m", mixes={"m": {LLAMA: 80, CLOUD: 20}}, **provider("cloud", priority=9))
    assert {deployment.level for deployment in served} == {1}


def test_members_of_tiers_and_mixes_keep_their_own_names_too():
    served = found(LLAMA, tiers={"eco": [LLAMA]}, mixes={"m": {LLAMA: 1, CLOUD: 1}})
    assert [deployment.id for deployment in served] == [f"box1/{LLAMA}", f"box2/{LLAMA}"]


def test_an_alias_has_no_deployments_of_its_own():
    assert found("gpt", aliases={"gpt": LLAMA}) == []


def test_a_wildcard_asks_for_what_the_client_names():
    (served,) = found("v/*", models={"v/*": {"provider": "vllm"}})
    assert (served.id, served.litellm_model) == ("vllm/v/*", "hosted_vllm/*")


@pytest.mark.parametrize("name", [CLOUD, "eco", "m"])
def test_a_disabled_provider_is_asked_under_no_name(name):
    served = found(
        name,
        tiers={"eco": [CLOUD, LLAMA]},
        mixes={"m": {LLAMA: 80, CLOUD: 20}},
        **provider("cloud", enabled=False),
    )
    assert "cloud" not in {deployment.provider for deployment in served}


def test_a_host_of_two_providers_groups_has_a_model_once():
    fleet = Fleet((host(groups=("gpu", "big", "gateway")),))
    served = found(
        "x",
        fleet,
        models={"x": {"provider": ["big", "local"]}},
        providers=STACK["providers"] | {"big": {"kind": "ollama", "group": "big", "priority": 4}},
    )
    assert shares(served) == {"box1/x": (4, 1)}
