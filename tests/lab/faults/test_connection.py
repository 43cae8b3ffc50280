"""The connection to a host is lost: the run says so and ends, the other hosts are finished.

Hosts: box2 and box3 (gpu), of which the connection to box3 is lost.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from llmrack.hosts.connection import SILENCE
from llmrack_lab.network import MACHINE
from llmrack_lab.shell import wait_until
from tests.lab.faults.table import record
from tests.lab.site import STACK, Site, held

STAYS, LOST = "box2", "box3"
HOSTS = {STAYS: ("gpu",), LOST: ("gpu",), "box1": ("gateway",)}
OLLAMA = "llmrack-ollama@main.service"
SMALL, LARGE = "llama3.2:1b", "qwen2.5-coder:7b"
ONE = {
    "providers": {"local": STACK["providers"]["local"]},
    "models": {SMALL: {"provider": "local"}},
}
TWO = ONE | {"models": {**ONE["models"], LARGE: {"provider": "local"}}}
WORDS = "the connection to it was lost"


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    for name in (STAYS, LOST):
        fresh(name)
    module_site.only = "gpu"
    module_site.declare(HOSTS, ONE)
    return module_site


def end_connection(site: Site) -> None:
    """End every connection to LOST, this one last: as when its sshd is killed."""
    site.on(LOST, "setsid -f sh -c 'sleep 0.1; pkill -f \"[s]shd: root\"'", check=False)


@contextmanager
def silence(site: Site) -> Iterator[None]:
    """No packet gets to LOST, and nobody is told of it."""
    site.lab.lose(LOST, MACHINE)
    try:
        yield
    finally:
        site.lab.lose(LOST)


def started(site: Site) -> subprocess.Popen[str]:
    return site.start("pyinfra", site.inventory, "deploy.py", "-y", "--limit", site.only)


def ends_well_but_for_one(run: subprocess.Popen[str]) -> str:
    """What a run says that fails one host by its connection, and finishes the other."""
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 1, said
    assert re.search(rf"\[{LOST}\] .*{WORDS}", said), said
    assert "Traceback" not in said
    assert f"[{STAYS}] Success" in said.partition("Proof: real requests")[2], said
    assert f"{LOST}: it failed before" in said
    return said


def converged(site: Site) -> float:
    """Deploy, and again without a change; the seconds of the first."""
    began = time.monotonic()
    site.deployed()
    took = time.monotonic() - began
    site.settled()
    return took


def test_a_host_whose_connection_breaks_in_its_first_deploy_fails_alone(site: Site) -> None:
    with held(site, LOST, "curl", "-fL") as reached:
        run = started(site)
        assert wait_until(reached, 120)
        end_connection(site)
        said = ends_well_but_for_one(run)
    assert re.search(rf"\[{LOST}\] Archive \S+ failed: {WORDS}", said), said
    took = converged(site)
    record(
        "the connection breaks while a host fetches Ollama's archive",
        "that host fails, and it is said at what; the others are finished; exit 1",
        "so it was; the next run went on",
        took,
    )


def test_a_host_whose_connection_breaks_at_the_look_fails_alone(site: Site) -> None:
    environment = {"OLLAMA_KEEP_ALIVE": "61s"}
    site.declare(HOSTS, ONE, ollama_environment=environment)
    with held(site, LOST, "dpkg-query", "-W") as reached:
        run = started(site)
        assert wait_until(reached, 120)
        end_connection(site)
        said, _ = run.communicate(timeout=300)
    assert run.returncode == 1, said
    assert "Traceback" not in said
    assert site.environment_of(STAYS, OLLAMA)["OLLAMA_KEEP_ALIVE"] == "61s"
    took = converged(site)
    record(
        "the connection breaks while a host is looked at",
        "that host fails; the others are finished; exit 1",
        "so it was",
        took,
    )


def test_a_host_whose_connection_breaks_while_ollama_restarts_goes_on_later(site: Site) -> None:
    # Nothing is due on the other one, which would not begin after a failure.
    keep_alive = {STAYS: "61s", LOST: "62s"}
    site.own = {
        name: {"ollama_environment": {"OLLAMA_KEEP_ALIVE": each}}
        for name, each in keep_alive.items()
    }
    site.declare(HOSTS, ONE)
    with held(site, LOST, "systemctl", "restart") as reached:
        run = started(site)
        assert wait_until(reached, 120)
        end_connection(site)
        said = ends_well_but_for_one(run)
    assert re.search(rf"\[{LOST}\] Unit \S+ failed: {WORDS}", said), said
    took = converged(site)
    assert site.environment_of(LOST, OLLAMA)["OLLAMA_KEEP_ALIVE"] == "62s"
    record(
        "the connection breaks while a host's Ollama is restarted",
        "that host fails, and it is said at what; the others are finished; exit 1",
        "so it was; the next run made the change, and proved it",
        took,
    )


@pytest.fixture
def slow_pull(site: Site) -> Iterator[None]:
    """A model comes from the registry alone, at 1 MB a second."""
    refuse = "/etc/ssh/sshd_config.d/refuse.conf"
    url = f"{site.lab.control('registry')}/rate"
    site.on(STAYS, f"echo DenyUsers llm >{refuse}; systemctl reload ssh")
    httpx.post(url, json={"bytes_per_s": 1_000_000}, verify=False).raise_for_status()
    yield
    httpx.post(url, json={"bytes_per_s": None}, verify=False).raise_for_status()
    site.on(STAYS, f"rm {refuse}; systemctl reload ssh")


def test_a_host_that_falls_silent_in_a_pull_is_given_up(site: Site, slow_pull: None) -> None:
    site.only = STAYS
    site.declare(HOSTS, TWO)
    site.deployed()
    site.only = "gpu"
    site.own = {STAYS: {"ollama_environment": {"OLLAMA_KEEP_ALIVE": "63s"}}}
    site.declare(HOSTS, TWO)
    part = "cat /home/llm/.ollama/models/blobs/*-partial | wc -c"
    run = started(site)
    assert wait_until(lambda: int(site.on(LOST, part, check=False) or 0) > 1_000_000, 120)
    began = time.monotonic()
    with silence(site):
        said = ends_well_but_for_one(run)
        noticed = time.monotonic() - began
        again = site.deploy("--limit", LOST)
    assert noticed > SILENCE / 2
    assert re.search(rf"\[{LOST}\] OllamaModel {LARGE} failed: {WORDS}", said), said
    assert again.code == 1 and f"[{LOST}] Could not connect" in again.output
    assert site.environment_of(STAYS, OLLAMA)["OLLAMA_KEEP_ALIVE"] == "63s"
    took = converged(site)
    record(
        "no packet gets to a host any more while it pulls a model",
        "it is given up after a minute, when its lock is free, too; the others are finished",
        "so it was; Ollama went on pulling by itself; the next run got the lock, and did the rest",
        took,
    )
