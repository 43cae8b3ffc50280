"""The deploy on lab hosts: it proves what it made, converges, and changes only what differs.

Hosts: box1 (gpu, gateway) and box2 (gpu).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lab.load import Load, lost
from tests.lab.site import STACK, Run, Site

BOXES = {"box1": ("gpu", "gateway"), "box2": ("gpu",)}
OLLAMA = "llmrack-ollama@main.service"
UNIT_FILE = "/home/llm/.config/systemd/user/llmrack-ollama@.service"
ENVIRONMENT = "/home/llm/.config/llmrack/ollama/main.env"
KEYS = "/home/llm/.config/llmrack/gateway.env"
LOCAL_ONLY = {
    "providers": {"local": STACK["providers"]["local"]},
    "models": {"llama3.2:1b": {"provider": "local"}},
}
# Another chain is another configuration, and so another release of the gateway.
OTHER_CHAIN = STACK | {"chains": {"gpt-oss:20b-cloud": ["llama3.2:1b"]}}


@dataclass(frozen=True)
class First:
    """What the first runs on fresh hosts did: a dry one, and then the real one."""

    site: Site
    dry: Run
    changed_by_dry: list[str]
    real: Run


@pytest.fixture(scope="module")
def first(module_site: Site, fresh: Callable[[str], None]) -> First:
    for name in BOXES:
        fresh(name)
    site = module_site
    site.declare(BOXES)
    before = {name: site.listing(name) for name in BOXES}
    dry = plan(site, "--dry")
    touched = [name for name in BOXES if site.listing(name) != before[name]]
    return First(site, dry, touched, site.deploy("--debug"))


@pytest.fixture
def site(first: First) -> Site:
    """The two boxes, deployed as the test before declared it; at first BOXES and STACK."""
    first.site.deployed()
    return first.site


def plan(site: Site, *options: str) -> Run:
    """A run that looks first, and asks before it changes anything."""
    return site.run("pyinfra", site.inventory, "deploy.py", *options)


def would_change(run: Run) -> set[str]:
    """What a dry run announces: ``[box1] File /x: missing``."""
    return set(re.findall(r"^ +(\[box\d\]) would change (.+)$", run.output, re.MULTILINE))


def changed(run: Run) -> set[str]:
    """What a run says that it changes, in the same words."""
    kinds = (
        "Packages|User|Linger|Directory|File|Link|Line|EnvironmentFile|Archive|Venv|Release|Unit"
        "|OllamaModel|Models|Instances|GPU driver|Gateway"
    )
    lines = re.findall(rf"^ +(\[box\d\]) ((?:{kinds})\b.+)$", run.output, re.MULTILINE)
    return {line for line in lines if not line[1].endswith("so far")}


def colour(site: Site) -> str:
    """The colour of the gateway that serves."""
    (found,) = [
        each
        for each in ("blue", "green")
        if site.as_service(
            "box1", f"systemctl --user is-active llmrack-gateway@{each}", check=False
        )
        == "active"
    ]
    return found


def gateway_models(site: Site) -> set[str]:
    key = site.secrets["LITELLM_MASTER_KEY"]
    answer = httpx.get(
        f"http://{site.lab.host('box1').address}:4000/v1/models",
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )
    return {row["id"] for row in answer.json()["data"]}


def test_a_dry_run_changes_nothing(first: First) -> None:
    assert first.dry.code == 0, first.dry.output
    assert first.changed_by_dry == []


def test_a_dry_run_says_exactly_what_the_real_run_changes(first: First) -> None:
    assert ("[box1]", "Gateway: not running") in would_change(first.dry)
    assert would_change(first.dry) == changed(first.real)


def test_a_fresh_deploy_proves_everything(first: First) -> None:
    assert first.real.code == 0, first.real.output
    proven = re.search(r"(\d+) of (\d+) checks proven", first.real.output)
    assert proven and proven[1] == proven[2], first.real.output
    for host in BOXES:
        assert re.search(rf"^{host}$", first.real.output, re.MULTILINE)


def test_a_second_run_changes_nothing_by_one_command_a_host(site: Site) -> None:
    before = site.listing("box1")
    site.settled()
    assert site.listing("box1") == before


def test_a_dry_run_without_changes_looks_once(site: Site) -> None:
    run = plan(site, "--dry", "--debug")
    assert run.code == 0, run.output
    assert run.commands == {"box1": 1, "box2": 1}
    assert not would_change(run)


def test_a_run_that_asked_first_looks_twice(site: Site) -> None:
    pyinfra = str(Path(sys.executable).parent / "pyinfra")
    press_enter = ("/bin/sh", "-c", 'echo | "$0" "$@"', pyinfra)
    run = site.run(*press_enter, site.inventory, "deploy.py", "--debug")
    assert run.code == 0, run.output
    assert run.commands == {"box1": 2, "box2": 2}
    assert not run.changed


def test_a_unit_edited_by_hand_is_restored_and_restarted(site: Site) -> None:
    before = site.on("box2", f"cat {UNIT_FILE}")
    edit = f"sed -i s/^NoNewPrivileges=yes/Environment=BY_HAND=1/ {UNIT_FILE}"
    site.as_service(
        "box2", f"{edit}; systemctl --user daemon-reload; systemctl --user restart {OLLAMA}"
    )
    assert "BY_HAND" in site.environment_of("box2", OLLAMA)
    announced = would_change(plan(site, "--dry"))
    assert changed(site.deployed()) == announced
    assert site.on("box2", f"cat {UNIT_FILE}") == before
    assert "BY_HAND" not in site.environment_of("box2", OLLAMA)
    site.settled()


def test_a_key_added_by_hand_stays_and_reaches_the_gateway(site: Site) -> None:
    site.as_service("box1", f"echo MY_OWN_KEY=mine >>{KEYS}")
    site.deployed()
    unit = f"llmrack-gateway@{colour(site)}.service"
    assert site.keys_of("box1", unit)["MY_OWN_KEY"] == "mine"
    assert "MY_OWN_KEY=mine" in site.on("box1", f"cat {KEYS}").splitlines()
    site.settled()


def test_a_changed_chain_swaps_the_gateway_and_loses_no_request(site: Site) -> None:
    before = colour(site)
    with Load(site) as load:
        site.declare(BOXES, OTHER_CHAIN)
        site.deployed()
        after = colour(site)
        site.settled()
    assert {before, after} == {"blue", "green"}
    assert len(load.answers) > 30
    assert lost(load.answers) == {}


def test_a_changed_setting_reaches_the_running_process(site: Site) -> None:
    environment = {"OLLAMA_CONTEXT_LENGTH": 8192, "OLLAMA_KEEP_ALIVE": "77s"}
    site.declare(BOXES, ollama_environment=environment)
    site.deployed()
    for host in BOXES:
        assert site.environment_of(host, OLLAMA)["OLLAMA_KEEP_ALIVE"] == "77s"
    site.settled()


def test_a_removed_model_is_no_longer_served(site: Site) -> None:
    assert "gpt-oss:20b-cloud" in gateway_models(site)
    site.declare(BOXES, LOCAL_ONLY)
    site.deployed()
    assert gateway_models(site) == {"llama3.2:1b"}
    site.settled()


@pytest.mark.parametrize("value", ["", "<your key>"])
def test_a_secret_without_a_real_value_leaves_the_hosts_alone(site: Site, value: str) -> None:
    env_file = site.folder / "env"
    master = site.secrets["LITELLM_MASTER_KEY"]
    env_file.write_text(f"LITELLM_MASTER_KEY={master}\nOLLAMA_API_KEY={value}\n")
    env_file.chmod(0o600)
    before = site.on("box1", f"cat {KEYS}")
    assert f"OLLAMA_API_KEY={site.secrets['OLLAMA_API_KEY']}" in before.splitlines()
    site.declare(BOXES, LOCAL_ONLY, env_file=str(env_file))
    site.deployed()
    assert site.on("box1", f"cat {KEYS}") == before
    site.settled()


def test_a_user_with_sudo_deploys_a_fresh_host(site: Site, fresh: Callable[[str], None]) -> None:
    fresh("box2")
    site.declare(BOXES, ssh_user="admin")
    run = site.deployed()
    assert "checks proven" in run.output
    assert site.as_service("box2", f"systemctl --user is-active {OLLAMA}") == "active"
    site.settled()


@pytest.fixture
def box2_is_down(site: Site) -> Iterator[None]:
    box2: Any = site.lab.host("box2")
    box2.kill()
    yield
    box2.power_cut()


@pytest.mark.usefixtures("box2_is_down")
def test_an_unreachable_host_fails_alone(site: Site) -> None:
    environment = {"OLLAMA_CONTEXT_LENGTH": 8192, "OLLAMA_KEEP_ALIVE": "55s"}
    # A gateway of its own, so that box1 needs nothing of box2.
    site.declare(BOXES | {"box2": ("gateway",)}, ollama_environment=environment)
    run = site.deploy()
    assert run.code == 1
    assert "[box2] Could not connect" in run.output
    assert site.environment_of("box1", OLLAMA)["OLLAMA_KEEP_ALIVE"] == "55s"
    assert site.on("box1", "cat /home/llm/.config/llmrack/proven")
