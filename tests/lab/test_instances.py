"""One Ollama an instance: a card of its own each, pinned, and gone when nobody declares it.

Hosts: box3 (gpu), with two pretended cards; the gateway on box4 is declared and left alone, but
for the test that is about it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmrack_lab.gpus import pretence
from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.site import Site

BOX = "box3"
HOSTS = {BOX: ("gpu",), "box4": ("gateway",)}
CARDS = sorted(card.uuid for card in pretence(BOX, 2).cards)
MAIN = "llmrack-ollama@main.service"
NAMES = [uuid.removeprefix("GPU-")[:8] for uuid in CARDS]
STACK: dict[str, Any] = {
    "providers": {"local": {"kind": "ollama"}},
    "models": {"llama3.2:1b": {"provider": "local"}},
}


@pytest.fixture(scope="module")
def module(module_site: Site, lab: Lab, fresh: Callable[[str], None]) -> Iterator[Site]:
    lab.host(BOX).set_gpus(2)
    fresh(BOX)
    module_site.only = BOX
    yield module_site
    lab.host(BOX).set_gpus(1)


@pytest.fixture
def site(module: Site) -> Site:
    """BOX with an instance a card."""
    module.declare(HOSTS, STACK, ollama_instances="per-gpu")
    module.deployed()
    return module


def units(site: Site) -> set[str]:
    """The instances that run."""
    listed = site.as_service(
        BOX, "systemctl --user list-units --plain --no-legend --state=active 'llmrack-ollama@*'"
    )
    return set(re.findall(r"llmrack-ollama@(\S+)\.service", listed))


def is_up(site: Site) -> bool:
    """Whether every instance runs, and the host has finished booting."""
    state = site.on(BOX, "systemctl is-system-running", check=False)
    return units(site) == set(NAMES) and state in ("running", "degraded")


def environment(site: Site, name: str) -> dict[str, str]:
    return site.environment_of(BOX, f"llmrack-ollama@{name}.service")


def test_each_card_has_an_instance_with_a_port_of_its_own(site: Site) -> None:
    assert units(site) == set(NAMES)
    found = [environment(site, name) for name in NAMES]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in found] == CARDS
    assert [each["GGML_VK_VISIBLE_DEVICES"] for each in found] == ["-1", "-1"]
    assert [each["OLLAMA_HOST"] for each in found] == ["0.0.0.0:11434", "0.0.0.0:11435"]
    site.settled()


def test_instances_share_the_models_and_nothing_else(site: Site) -> None:
    one, two = (environment(site, name) for name in NAMES)
    assert one["OLLAMA_MODELS"] == two["OLLAMA_MODELS"] == "/home/llm/.ollama/models"
    assert one["HOME"] != two["HOME"]


def test_only_the_first_instance_prunes(site: Site) -> None:
    one, two = (environment(site, name) for name in NAMES)
    assert "OLLAMA_NOPRUNE" not in one
    assert two["OLLAMA_NOPRUNE"] == "1"


def test_the_gateway_uses_every_instance(site: Site) -> None:
    plan = site.run("llmrack", "plan", "-i", site.inventory, "--host", "box4", "--files").output
    assert {f"{BOX}/{name}/llama3.2:1b" for name in NAMES} == set(
        re.findall(rf"{BOX}/\w+/llama3.2:1b", plan)
    )


def test_cards_in_another_order_change_nothing(site: Site, lab: Lab) -> None:
    first = site.on(BOX, "nvidia-smi -L | head -n 1")
    lab.host(BOX).set_gpus(2, reverse=True)
    try:
        assert site.on(BOX, "nvidia-smi -L | head -n 1") != first
        site.settled()
    finally:
        lab.host(BOX).set_gpus(2)


def test_a_reboot_brings_the_instances_back(site: Site, lab: Lab) -> None:
    lab.host(BOX).reboot()
    assert wait_until(lambda: is_up(site), 90)
    site.settled()


def test_instances_that_nobody_declares_go_and_their_models_stay(site: Site) -> None:
    models = site.on(BOX, "find /home/llm/.ollama/models -type f | sort")
    site.declare(HOSTS, STACK)
    dry = site.run("pyinfra", site.inventory, "deploy.py", "--dry", "--limit", BOX)
    assert f"llmrack-ollama@{NAMES[0]}.service" in dry.output
    site.deployed()
    assert units(site) == {"main"}
    assert site.on(BOX, "find /home/llm/.ollama/models -type f | sort") == models
    assert site.listening(BOX) >= {"0.0.0.0:11434"}
    assert "0.0.0.0:11435" not in site.listening(BOX)
    site.settled()


def test_a_list_says_which_instance_has_which_cards(module: Site) -> None:
    big = {"name": "big", "gpus": CARDS, "environment": {"OLLAMA_NUM_PARALLEL": 4}}
    small = {"name": "cpu", "gpus": [], "port": 11500}
    module.declare(HOSTS, STACK, ollama_instances=[big, small])
    module.deployed()
    assert units(module) == {"big", "cpu"}
    found = environment(module, "big")
    assert found["CUDA_VISIBLE_DEVICES"] == ",".join(CARDS)
    assert found["OLLAMA_NUM_PARALLEL"] == "4" and found["OLLAMA_CONTEXT_LENGTH"] == "8192"
    other = environment(module, "cpu")
    assert other["OLLAMA_HOST"] == "0.0.0.0:11500" and other["CUDA_VISIBLE_DEVICES"] == "-1"
    module.settled()


def test_typed_variables_reach_the_servers(module: Site) -> None:
    wanted = {
        "OLLAMA_KEEP_ALIVE": "24h",
        "OLLAMA_NUM_PARALLEL": 2,
        "OLLAMA_CONTEXT_LENGTH": 4096,
        "OLLAMA_FLASH_ATTENTION": True,
        "OLLAMA_KV_CACHE_TYPE": "q8_0",
        "OLLAMA_SCHED_SPREAD": True,
        "OLLAMA_LOAD_TIMEOUT": "10m",
        "OLLAMA_MAX_QUEUE": 64,
        # Scenario 4 pins by index; with one instance that is the user's affair.
        "CUDA_VISIBLE_DEVICES": "0,1",
    }
    other = {"HSA_OVERRIDE_GFX_VERSION_1": "11.0.0"}
    module.declare(HOSTS, STACK, ollama_environment=wanted, ollama_extra_environment=other)
    module.deployed()
    found = environment(module, "main")
    assert other.items() <= found.items() and found["OLLAMA_NO_CLOUD"] == "1"
    shown = {name: "1" if value is True else str(value) for name, value in wanted.items()}
    assert {name: found[name] for name in wanted} == shown
    module.settled()


def test_a_card_that_comes_late_is_waited_for(site: Site, lab: Lab) -> None:
    lab.host(BOX).set_gpus(2, "not-ready", seconds=8)
    try:
        lab.host(BOX).reboot()
        assert wait_until(lambda: is_up(site), 90)
        for port in (11434, 11435):
            ask = f'curl -s 127.0.0.1:{port}/api/generate -d \'{{"model": "llama3.2:1b"}}\''
            site.on(BOX, ask)
            (model,) = json.loads(site.on(BOX, f"curl -s 127.0.0.1:{port}/api/ps"))["models"]
            assert model["size_vram"] == model["size"]
        site.settled()
    finally:
        lab.host(BOX).set_gpus(2)


def group_of(site: Site, unit: str) -> str:
    """The folder of a unit's cgroup, as far as there is a unified hierarchy."""
    return "/sys/fs/cgroup" + site.as_service(BOX, f"systemctl --user show -P ControlGroup {unit}")


def test_limits_that_the_host_cannot_carry_out_are_named(module: Site) -> None:
    module.declare(HOSTS, STACK, ollama_memory_max="4G", ollama_tasks_max=512)
    run = module.deployed()
    shown = module.as_service(BOX, f"systemctl --user show -p MemoryMax -p TasksMax {MAIN}")
    assert shown.splitlines() == ["MemoryMax=4294967296", "TasksMax=512"]
    file = f"{group_of(module, MAIN)}/memory.max"
    enforced = module.on(BOX, f"test -e {file} && echo yes", check=False) == "yes"
    assert ("ollama_memory_max has no effect here" in run.output) != enforced
    module.settled()


def test_a_server_that_outgrows_its_memory_is_ended_and_comes_back(module: Site) -> None:
    module.declare(HOSTS, STACK, ollama_memory_max="400M")
    module.deployed()
    group = group_of(module, MAIN)
    bound = module.on(BOX, f"cat {group}/memory.max", check=False)
    if not bound:
        pytest.skip("user managers have no memory controller here: it is in the old hierarchy")
    assert bound == str(400 * 1024 * 1024)
    main_pid = f"systemctl --user show -P MainPID {MAIN}"
    before = module.as_service(BOX, main_pid)
    # What it takes counts as if the server, or a runner of it, took it.
    grow = "exec python3 -c 'x = bytearray(1_000_000_000)'"
    done = module.lab.host(BOX).ssh(f"echo $$ >{group}/cgroup.procs && {grow}", check=False)
    assert done.returncode not in (0, 1), done.stderr
    assert wait_until(lambda: module.as_service(BOX, main_pid) not in (before, "0"), DEADLINE)
    assert wait_until(lambda: is_main_up(module), DEADLINE)
    assert "killed by the OOM killer" in module.on(BOX, f"journalctl -q USER_UNIT={MAIN}")
    module.settled()


def is_main_up(site: Site) -> bool:
    ask = "curl -fs -m 5 http://127.0.0.1:11434/api/version"
    return "version" in site.on(BOX, ask, check=False)
