"""Ollama's upgrade through a fleet that serves: one host first, drained, proven, or taken back.

Hosts: a gateway on box1, Ollama on two others. Requests come from outside all the while, by
OpenAI's SDK without retries, plain and streamed.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.lab.engine_fleet import SERVES, Fleet
from tests.lab.load import Load, lost
from tests.lab.site import Site

BEFORE, AFTER, BAD = "0.30.1", "0.30.2", "0.30.3"
# It answers, but does not see the card.
NO_CARD = SERVES.format("export CUDA_VISIBLE_DEVICES=-1")


@pytest.fixture(scope="module")
def fleet(module_site: Site) -> Fleet:
    made = Fleet(module_site, ("box2", "box3"))
    run = made.deploy(BEFORE)
    assert run.code == 0, run.output
    return made


def test_a_release_that_fails_its_gate_goes_no_further_than_one_host(fleet: Fleet) -> None:
    before = fleet.pids()
    with Load(fleet.site) as load:
        run = fleet.deploy(BAD, NO_CARD)
        load.wait_for(10)
    assert run.code == 1, run.output
    after = fleet.pids()
    (tried,) = (host for host in fleet.engines if before[host] != after[host])
    (other,) = {*fleet.engines} - {tried}
    assert f"[{tried}] {tried} failed its gate: llama3.2:1b resident: runs on the CPU" in run.output
    assert f"[{other}] Ollama is untouched, since {tried}'s gate failed" in run.output
    assert fleet.versions() == {BEFORE}
    assert lost(load.answers) == {}
    # row: Ollama upgrade that does not see its card


def test_an_upgrade_loses_no_request(fleet: Fleet) -> None:
    with Load(fleet.site) as load:
        run = fleet.deploy(AFTER)
        load.wait_for(10)
    assert run.code == 0, run.output
    assert fleet.versions() == {AFTER}
    assert "edited" not in run.output
    assert lost(load.answers) == {}
    assert all(ended < answered for ended, answered, _ in fleet.restarts())
    assert all(first[1] < second[0] for first, second in pairwise(fleet.restarts()))
    fleet.site.settled()
    # row: Ollama upgrade under load
