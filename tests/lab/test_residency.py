"""The proof of where models lie, on pretended GPUs.

Hosts: box1 (two GPUs, an instance a card, and the gateway), box2 (no GPU).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmrack_lab.gpus import pretence
from llmrack_lab.host import LabHost
from llmrack_lab.lab import Lab
from tests.lab.site import Run, Site

PLAIN = {"provider": "local"}
HELPER = {"from": "llama3.2:1b", "system": "You help."}
MODELS: dict[str, Any] = {
    "llama3.2:1b": PLAIN,
    # The same weights and options, so it is loaded once with the one above.
    "helper": {**PLAIN, "create": HELPER},
    "nomic-embed-text": {**PLAIN, "capabilities": ["embedding"]},
}
CARDS = [card.uuid.split("-")[1].lower() for card in pretence("box1", 2).cards]
INSTANCES = [f"box1/{name}" for name in CARDS]


def stack(models: dict[str, Any]) -> dict[str, Any]:
    """Models on our own hosts alone."""
    providers = {"local": {"kind": "ollama", "group": "gpu"}}
    return {"providers": providers, "models": models, "default_chain": []}


def declare(site: Site, models: dict[str, Any]) -> None:
    hosts = {"box1": ("gpu",), "box4": ("gateway",)}
    site.declare(hosts, stack(models), ollama_instances="per-gpu")
    site.only = "box1"


def verify(site: Site, *options: str) -> Run:
    """Without the gateway, which is declared and left alone."""
    its = ("--inventory", site.inventory, "--limit", site.only)
    return site.run("llmrack", "verify", *its, *options)


def results(run: Run) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What ``llmrack verify --json`` found, by subject, check and instance."""
    # What pyinfra says stands before it.
    report = json.loads(run.output[run.output.index('{\n  "ok"') :])
    return {(each["subject"], each["check"], each["instance"]): each for each in report["results"]}


def restart(site: Site) -> None:
    units = " ".join(f"llmrack-ollama@{name}" for name in CARDS)
    site.as_service("box1", f"systemctl --user restart {units}")
    for port in (11434, 11435):
        site.on(
            "box1",
            f"curl -fs --retry 50 --retry-connrefused --retry-delay 1 127.0.0.1:{port}/api/version",
        )


@pytest.fixture(scope="module")
def site(module_site: Site, lab: Lab, fresh: Callable[[str], None]) -> Iterator[Site]:
    fresh("box1")
    lab.host("box1").set_gpus(2)
    declare(module_site, MODELS)
    module_site.deployed()
    yield module_site
    lab.host("box1").set_gpus(0)


@pytest.fixture
def cards(site: Site) -> Iterator[LabHost]:
    """The host whose cards a test may break; they are mended afterwards."""
    host = site.lab.host("box1")
    yield host
    host.set_gpus(2)
    restart(site)


@pytest.fixture
def slow(site: Site) -> Iterator[None]:
    """The first instance generates 2.5 tokens a second."""
    url = "127.0.0.1:11434/__standin__/fault"
    site.on("box1", f"""curl -fs -d '{{"mode":"slow"}}' {url}""")
    yield
    site.on("box1", f"""curl -fs -d '{{"mode":"ok"}}' {url}""")


def test_every_model_is_proven_to_lie_on_every_card(site: Site) -> None:
    run = verify(site, "--json")
    assert run.code == 0, run.output
    found = results(run)
    for instance in INSTANCES:
        assert found["ollama", "journal", instance]["detail"] == "cards in use: 1"
        for model in MODELS:
            assert found[model, "resident", instance]["detail"].startswith("100% GPU, context ")


def test_models_that_fell_back_to_the_cpu_while_the_server_ran_are_told(
    site: Site, cards: LabHost
) -> None:
    cards.set_gpus(2, "suspended")
    run = verify(site)
    assert run.code == 1, run.output
    text = " ".join(run.output.split())
    assert f"helper on {INSTANCES[1]} (resident): runs on the CPU; `llmrack status --gpus`" in text
    assert "ok: capabilities" in text


def test_a_server_that_started_without_its_card_is_told_by_its_journal(
    site: Site, cards: LabHost
) -> None:
    cards.set_gpus(2, "too-old")
    restart(site)
    run = verify(site, "--json")
    assert run.code == 1, run.output
    found = results(run)
    for instance in INSTANCES:
        assert "NVIDIA driver too old" in found["ollama", "journal", instance]["detail"]
        assert not found["llama3.2:1b", "resident", instance]["ok"]


def test_what_an_earlier_start_said_is_no_failure(site: Site, cards: LabHost) -> None:
    cards.set_gpus(2, "too-old")
    restart(site)
    cards.set_gpus(2)
    restart(site)
    assert verify(site).code == 0


def test_a_speed_below_the_floor_is_told_with_both_numbers(site: Site, slow: None) -> None:
    declare(site, {"llama3.2:1b": {**PLAIN, "min_tokens_per_second": 30}})
    run = verify(site, "--json")
    assert run.code == 1, run.output
    assert results(run)["llama3.2:1b", "speed", INSTANCES[1]]["ok"]
    speed = results(run)["llama3.2:1b", "speed", INSTANCES[0]]
    assert "tokens/s, declared are at least 30; " in speed["detail"]
    assert speed["detail"].startswith("2.") and not speed["ok"]


def test_a_split_fails_a_deploy_until_it_is_allowed(site: Site) -> None:
    half = {**PLAIN, "create": {**HELPER, "parameters": {"num_gpu": 1}}}
    declare(site, {"helper": half})
    run = site.deploy()
    assert run.code != 0
    assert "not proven: helper resident: 33% GPU, the rest runs on the CPU; " in run.output
    declare(site, {"helper": {**half, "gpu_split": True}})
    assert "ok: resident" in site.deployed().output
    site.settled()


def test_a_box_without_gpu_is_proven_on_its_cpu_when_it_is_declared_so(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, fresh: Callable[[str], None]
) -> None:
    fresh("box2")
    lab.host("box2").set_gpus(0)
    box = Site(lab, tmp_path_factory.mktemp("cpu"))
    hosts = {"box2": ("gpu",), "box4": ("gateway",)}
    box.declare(hosts, stack(MODELS), gpu_required=False)
    box.only = "box2"
    box.deployed()
    run = verify(box, "--json")
    assert run.code == 0, run.output
    found = results(run)
    assert found["helper", "resident", "box2"]["detail"] == "100% CPU, context 8192"
    assert ("ollama", "journal", "box2") not in found
