"""Two runs at once: the second is refused and changes nothing; a dead one holds nobody up."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.faults.table import record
from tests.lab.site import Site, held

ENGINES = ("box1", "box2")
# The gateway is declared, but not deployed: it takes half a minute, and is not what this is about.
BOXES = {"box1": ("gpu",), "box2": ("gpu",), "box3": ("gateway",)}
OLLAMA = "llmrack-ollama@main.service"


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    for name in ENGINES:
        fresh(name)
    module_site.only = "gpu"
    module_site.declare(BOXES)
    module_site.deployed()
    module_site.settled()
    return module_site


def declare(site: Site, keep_alive: str) -> None:
    """Declare what restarts Ollama on both hosts."""
    site.declare(BOXES, ollama_environment={"OLLAMA_KEEP_ALIVE": keep_alive})


def keep_alive(site: Site, host: str) -> str:
    return site.environment_of(host, OLLAMA)["OLLAMA_KEEP_ALIVE"]


@contextmanager
def at_work(site: Site, host: str) -> Iterator[subprocess.Popen[str]]:
    """A deploy that has just come to Ollama's restart on a host, where it stays."""
    with held(site, host, "systemctl", "restart") as reached:
        process = site.start("pyinfra", site.inventory, "deploy.py", "-y", "--limit", "gpu")
        try:
            assert wait_until(reached, DEADLINE)
            yield process
        finally:
            process.kill()
            process.communicate()


def test_a_second_deploy_is_refused_and_told_who_is_at_work(site: Site) -> None:
    declare(site, "71s")
    with at_work(site, "box1") as first:
        declare(site, "72s")
        before = {name: site.listing(name) for name in ENGINES}
        second = site.deploy()
        assert {name: site.listing(name) for name in ENGINES} == before
        # Ended by itself, not by the test.
        assert first.poll() is None
    assert second.code == 1, second.output
    assert re.search(
        rf"\[box1\] refused, nothing was changed: \S+@\S+ \(process {first.pid}, since .*Z\) "
        r"is changing it, 0 min \d+ s so far",
        second.output,
    ), second.output
    record(
        "lock: two deploys of one host at once",
        "the second is refused before it changes anything, and names the first",
        "refused with user, host, process and time; nothing changed",
    )


def test_a_plan_that_another_deploy_has_overtaken_is_not_carried_out(site: Site) -> None:
    declare(site, "76s")
    first = site.start("pyinfra", site.inventory, "deploy.py", "--limit", "gpu")
    assert first.stdout and first.stdin
    told = ""
    while "would change Unit" not in told:
        told = first.stdout.readline()
        assert told
    declare(site, "77s")
    site.deployed()
    first.stdin.write("\n")
    said, _ = first.communicate(timeout=100)
    assert first.returncode == 1, said
    assert "changed it after this run had looked: run this again" in said
    assert keep_alive(site, "box1") == "77s"
    record(
        "lock: a plan waits for its word while another deploy overtakes it",
        "it is not carried out",
        "refused; what the other one brought stays",
    )


def test_the_host_of_a_deploy_that_was_killed_is_free_at_once(site: Site) -> None:
    declare(site, "73s")
    with at_work(site, "box1") as first:
        first.kill()
        first.wait()
    assert keep_alive(site, "box1") != "73s"
    begun = time.monotonic()
    site.deployed()
    took = time.monotonic() - begun
    assert {keep_alive(site, name) for name in ENGINES} == {"73s"}
    site.settled()
    record(
        "lock: its holder is killed in the middle of a deploy",
        "the next deploy takes it over at once",
        "the next deploy converged",
        took,
    )


def test_a_run_that_another_one_has_overtaken_changes_nothing_more(site: Site) -> None:
    declare(site, "74s")
    with held(site, "box1", "systemctl", "restart") as reached:
        first = site.start("pyinfra", site.inventory, "deploy.py", "-y", "--limit", "gpu")
        assert wait_until(reached, DEADLINE)
        # As if nothing had been heard of it for a minute.
        site.on("box1", "pkill -f '[l]lmrack/last-run'")
        declare(site, "75s")
        second = site.start("pyinfra", site.inventory, "deploy.py", "-y", "--limit", "box1")
        assert wait_until(
            lambda: f" {second.pid} " in site.on("box1", "cat /run/llmrack/lock"), DEADLINE
        )
    told, _ = first.communicate(timeout=100)
    said, _ = second.communicate(timeout=100)
    assert first.returncode == 1, told
    assert second.returncode == 0, said
    assert "waiting until what a run that broke off left at work has ended" in said
    assert keep_alive(site, "box1") == "75s"
    record(
        "lock: its holder goes silent for a minute and comes back",
        "another deploy takes it over; the first one changes nothing more",
        "the first one ended with an error, the second converged",
    )
