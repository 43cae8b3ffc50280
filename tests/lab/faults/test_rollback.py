"""A release of the gateway that fails after it was started, going back by hand, what a host keeps.

Host: box1 (gpu, gateway).
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import llmrack
from llmrack.components.gateway.service import COLOURS
from tests.lab.bad_release import BASE, BOX, HOST, Gateway
from tests.lab.faults.table import record
from tests.lab.load import lost
from tests.lab.site import Site

SERVE, GATE = (f"llmrack/shipped/gateway/{name}.py" for name in ("serve", "gate"))
# Where serve.py has just begun to answer as the unit that serves, not as a candidate.
BEGUN = "        if private:\n"
ACCEPTS = "        if not self.should_exit:\n"


@pytest.fixture(scope="module")
def gateway(module_site: Site, fresh: Callable[[str], None]) -> Gateway:
    fresh(HOST)
    made = Gateway(module_site)
    made.deployed()
    return made


def test_a_release_that_ends_soon_after_its_start_is_taken_back(gateway: Gateway) -> None:
    before, environment = gateway.state(), gateway.on("cat .config/llmrack/gateway.env")
    with gateway.load() as load:
        gateway.key = "another-key"
        ends = f"{BEGUN}            asyncio.get_running_loop().call_later(2, os._exit, 9)\n"
        run = gateway.deploy_broken(SERVE, BEGUN, ends)
        load.wait_for(10)
    assert run.code == 1
    assert "ended by itself; its journal ends with:" in run.output
    assert f"release {before.release} serves on, with the configuration" in run.output
    assert gateway.state() == before
    # The key that came with it is gone as well.
    assert gateway.on("cat .config/llmrack/gateway.env") == environment
    assert lost(load.answers) == {}
    record(
        "a release that ends 2 s after its start, under load",
        "release, configuration and keys before it come back by themselves",
        f"{len(load.answers)} requests, none lost; exit 1 with the journal's end",
    )


def test_what_was_taken_back_is_as_the_old_declaration_says(gateway: Gateway) -> None:
    gateway.key = "a-key"
    gateway.declare()
    gateway.site.settled()


def test_releases_are_listed_with_the_one_that_serves(gateway: Gateway) -> None:
    run = gateway.site.run("llmrack", "releases", "--json", "-i", gateway.site.inventory)
    assert run.code == 0, run.output
    (host,) = json.loads(run.output)["hosts"]
    states = {(each["what"], each["state"]): each["name"] for each in host["releases"]}
    assert states["gateway", "current"] == gateway.state().release
    assert ("ollama", "current") in states
    assert host["host"] == next(iter(BOX))
    assert host["size"] > 100_000_000
    assert host["llmrack"] == llmrack.__version__


@pytest.mark.parametrize(
    ("how", "old", "new", "reason"),
    [
        # It serves beside the old one, then answers come and go.
        ("flaps while it serves", ACCEPTS,
         f"{ACCEPTS}            loop.call_later(1, self.servers[0].close)\n", "does not answer"),
        # It never gets as far as to serve.
        ("ends before it is ready", '        notify("READY=1")\n',
         f"{BEGUN}            os._exit(9)\n", "does not start"),
    ],
)  # fmt: skip
def test_a_release_that_fails_is_taken_back_and_loses_no_request(
    gateway: Gateway, how: str, old: str, new: str, reason: str
) -> None:
    before = gateway.state()
    with gateway.load() as load:
        run = gateway.deploy_broken(SERVE, old, new)
        load.wait_for(10)
    assert run.code == 1
    assert reason in run.output
    assert f"release {before.release} serves on" in run.output
    assert gateway.state() == before
    assert lost(load.answers) == {}
    record(
        f"a release that {how}, under load",
        "what ran before comes back by itself",
        f"{len(load.answers)} requests, none lost; exit 1 with the reason",
    )


def test_a_bad_declaration_is_tried_again_by_the_next_deploy(gateway: Gateway) -> None:
    before = gateway.state()
    for _ in range(2):
        run = gateway.deploy_broken(GATE, "DEADLINE = 120.0", "raise OSError('bad')")
        assert run.code == 1
        assert "OSError: bad" in run.output
        assert gateway.state() == before


def test_a_key_added_by_hand_outlives_a_release_that_is_taken_back(gateway: Gateway) -> None:
    gateway.on("echo BY_HAND=mine >>.config/llmrack/gateway.env")
    gateway.key = "yet-another-key"
    run = gateway.deploy_broken(GATE, "DEADLINE = 120.0", "raise OSError('bad')")
    assert run.code == 1
    environment = gateway.on("cat .config/llmrack/gateway.env").splitlines()
    assert "BY_HAND=mine" in environment
    assert "OLLAMA_API_KEY=a-key" in environment
    gateway.key = "a-key"
    gateway.deployed()


def test_a_rollback_by_hand_goes_back_and_the_next_deploy_forward(gateway: Gateway) -> None:
    before = gateway.state()
    gateway.timeout += 1
    gateway.deployed()
    after = gateway.state()
    assert after.release != before.release
    with gateway.load() as load:
        run = gateway.site.run("llmrack", "rollback", "-i", gateway.site.inventory)
        load.wait_for(10)
    assert run.code == 0, run.output
    assert f"box1: release {before.release} serves again" in run.output
    assert "the next deploy goes forward again" in run.output
    assert gateway.state() == before
    assert lost(load.answers) == {}
    gateway.deployed()
    assert gateway.state().release == after.release
    gateway.site.settled()
    record(
        "`llmrack rollback` under load",
        "one switch to the release, configuration and keys before",
        f"{len(load.answers)} requests, none lost; the next deploy goes forward again",
    )


def test_a_rollback_to_a_release_that_fails_its_gate_changes_nothing(gateway: Gateway) -> None:
    gateway.timeout += 1
    gateway.deployed()
    before = gateway.state()
    (idle,) = set(COLOURS) - set(before.colours)
    config = f"{BASE}/started/{idle}/release/config.yaml"
    gateway.on(f"cp {config} kept; echo 'model_list: 7' >{config}")
    run = gateway.site.run("llmrack", "rollback", "-i", gateway.site.inventory)
    gateway.on(f"cat kept >{config}; rm kept")
    assert run.code == 1
    assert "box1: not rolled back: " in run.output
    assert gateway.state() == before
    gateway.site.settled()


def test_old_releases_go_and_those_in_use_stay(gateway: Gateway) -> None:
    for _ in range(3):
        gateway.timeout += 1
        gateway.deployed()
    names = gateway.on(f"ls {BASE}/releases").split()
    assert len(names) == 3
    used = gateway.on(f"basename -a $(readlink {BASE}/current {BASE}/started/*/release)").split()
    assert set(used) <= set(names)
    assert len(gateway.on(f"ls {BASE}/venvs").split()) == 1
    gateway.site.settled()


def test_a_host_without_a_release_before_has_nothing_to_go_back_to(gateway: Gateway) -> None:
    gateway.on(f"rm -rf {BASE}/started")
    run = gateway.site.run("llmrack", "rollback", "-i", gateway.site.inventory)
    assert run.code == 1
    assert "box1: there is nothing to go back to" in run.output
