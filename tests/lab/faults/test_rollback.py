"""A release of the gateway that fails after it was started: what ran before goes on serving.

Host: box1 (gpu, gateway). Other ways to fail, and going back by hand: tests/soak/test_rollback.py.
"""

from __future__ import annotations

import json

import pytest

from tests.lab.bad_release import BOX, Gateway
from tests.lab.load import lost
from tests.lab.site import Site

# Where serve.py has just begun to answer as the unit that serves, not as a candidate.
BEGUN = "        if private:\n"


@pytest.fixture(scope="module")
def gateway(module_site: Site) -> Gateway:
    made = Gateway(module_site)
    made.deployed()
    return made


def test_a_release_that_ends_soon_after_its_start_is_taken_back(gateway: Gateway) -> None:
    before, environment = gateway.state(), gateway.on("cat .config/llmrack/gateway.env")
    with gateway.load() as load:
        gateway.key = "another-key"
        ends = f"{BEGUN}            asyncio.get_running_loop().call_later(2, os._exit, 9)\n"
        run = gateway.deploy_broken("gateway/serve.py", BEGUN, ends)
        load.wait_for(10)
    assert run.code == 1
    assert "ended by itself; its journal ends with:" in run.output
    assert f"release {before.release} serves on, with the configuration" in run.output
    assert gateway.state() == before
    # The key that came with it is gone as well.
    assert gateway.on("cat .config/llmrack/gateway.env") == environment
    assert lost(load.answers) == {}
    # row: a release dies 2 s after its start


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
