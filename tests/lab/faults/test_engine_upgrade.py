"""Ollama's upgrade through a fleet that serves: one host first, drained, proven, or taken back.

Hosts: a gateway on box1, Ollama on three others. Requests come from outside all the while, by
OpenAI's SDK without retries, plain and streamed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from llmrack_lab.lab import Lab
from tests.lab.engine_fleet import SERVES, Fleet
from tests.lab.faults.table import record
from tests.lab.load import Load, lost
from tests.lab.site import Site

ENGINES = ("box2", "box3", "box4")
NOW = "0.30.1"
ENDS = SERVES.format('timeout 4 "$REAL" serve; exit 1')
# What is wrong with a release, and what is said of it.
BAD = [
    ("does not start", SERVES.format("echo no such card; exit 1"), "Ollama goes back to"),
    ("ends again and again", ENDS, "Ollama goes back to"),
    # It answers.
    ("does not see its card", SERVES.format("export CUDA_VISIBLE_DEVICES=-1"),
     "failed its gate: llama3.2:1b resident: runs on the CPU"),
]  # fmt: skip


@pytest.fixture(scope="module")
def fleet(module_site: Site, fresh: Callable[[str], None]) -> Fleet:
    for name in ("box1", *ENGINES):
        fresh(name)
    made = Fleet(module_site, ENGINES)
    run = made.deploy(NOW)
    assert run.code == 0, run.output
    return made


@pytest.mark.parametrize(("how", "instead", "reason"), BAD, ids=[how for how, _, _ in BAD])
def test_a_bad_release_is_taken_back_and_no_request_is_lost(
    fleet: Fleet, how: str, instead: str, reason: str
) -> None:
    before = fleet.pids()
    with Load(fleet.site) as load:
        run = fleet.deploy("0.30.3", instead)
        load.wait_for(10)
    assert run.code == 1, run.output
    assert reason in run.output, run.output
    tried, *others = (host for host, pid in fleet.pids().items() if before[host] != pid)
    assert others == [], run.output
    assert run.output.count(f"Ollama is untouched, since {tried}'s gate failed") == 2
    assert fleet.versions() == {NOW}
    assert lost(load.answers) == {}
    assert fleet.deploy(NOW).code == 0
    fleet.site.settled()
    record(
        f"an upgrade that {how}",
        "one host alone tries it, and goes back by itself",
        f"{len(load.answers)} requests, none lost; the other two hosts untouched",
    )


def test_an_upgrade_loses_no_request(fleet: Fleet) -> None:
    with Load(fleet.site) as load:
        run = fleet.deploy("0.30.2")
        load.wait_for(10)
    assert run.code == 0, run.output
    assert fleet.versions() == {"0.30.2"}
    assert "edited" not in run.output
    assert lost(load.answers) == {}
    assert all(ended < answered for ended, answered, _ in fleet.restarts())
    assert all(first[1] < second[0] for first, second in pairwise(fleet.restarts()))
    fleet.site.settled()
    record(
        "an upgrade of the fleet",
        "one host after the other, drained first",
        f"{len(load.answers)} requests, none lost",
    )


def test_another_environment_goes_through_in_batches(fleet: Fleet) -> None:
    environment = {"OLLAMA_NUM_PARALLEL": 8, "OLLAMA_KEEP_ALIVE": "7m"}
    with Load(fleet.site) as load:
        run = fleet.deploy("0.30.2", ollama_batch=2, ollama_environment=environment)
        load.wait_for(10)
    assert run.code == 0, run.output
    assert lost(load.answers) == {}
    first, second, third = fleet.restarts()
    assert first[1] < second[0]
    # Both restarts of the batch are over before either host is proven.
    assert third[0] < second[1] + 5


def test_one_host_alone_is_drained_at_a_gateway_that_is_not_deployed(fleet: Fleet) -> None:
    fleet.declare("0.30.4")
    fleet.site.only = "box2"
    with Load(fleet.site) as load:
        run = fleet.site.deploy()
        load.wait_for(10)
    fleet.site.only = ""
    assert run.code == 0, run.output
    assert "is not told" not in run.output
    assert lost(load.answers) == {}


@pytest.mark.parametrize(
    ("way", "version", "instead", "code"),
    [("a good release", "0.30.5", "", 0), ("a bad one", "0.30.6", ENDS, 1)],
    ids=["good", "bad"],
)
def test_a_run_that_was_cut_off_at_the_gate_is_proven_by_the_next(
    fleet: Fleet, way: str, version: str, instead: str, code: int
) -> None:
    before = fleet.versions()
    fleet.declare(version, instead)
    with Load(fleet.site) as load:
        process = fleet.site.start("pyinfra", fleet.site.inventory, "deploy.py", "-y")
        assert process.stdout
        for line in process.stdout:
            if "its gate (" in line:
                break
        process.kill()
        process.wait()
        run = fleet.site.deploy()
        load.wait_for(10)
    assert run.code == code, run.output
    assert ("Proof of Ollama's change: the change before was cut off" in run.output) or code
    assert fleet.versions() == ({version} if code == 0 else before)
    assert lost(load.answers) == {}
    record(
        f"the run is killed before the first host passed its gate ({way})",
        "the next run asks for the gate, and goes on or back",
        f"so it did; {len(load.answers)} requests, none lost",
    )


@pytest.fixture
def two_cards(lab: Lab) -> Iterator[None]:
    lab.host("box2").set_gpus(2)
    yield
    lab.host("box2").set_gpus(1)


@pytest.mark.usefixtures("two_cards")
def test_instances_of_one_host_restart_one_after_the_other(site: Site) -> None:
    fleet = Fleet(site, ("box2",))
    assert fleet.deploy("0.30.7", ollama_instances="per-gpu").code == 0
    with Load(site) as load:
        run = fleet.deploy("0.30.8", ollama_instances="per-gpu")
        load.wait_for(10)
    assert run.code == 0, run.output
    assert fleet.versions() == {"0.30.8"}
    assert lost(load.answers) == {}
