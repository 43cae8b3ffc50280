"""A host loses its power, or restarts: what served serves again, and a cut deploy goes on.

Host: box1 (gpu, gateway). A cut ends every process of the host at once and its network before them;
what was written stays, also what a real cut would take that was not on the disk yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from llmrack.components.gateway.service import COLOURS, service
from llmrack_lab.network import MACHINE
from llmrack_lab.shell import wait_until
from tests.lab.faults.table import record
from tests.lab.load import Load, lost
from tests.lab.site import STACK, Site, held

BOX = "box1"
HOSTS: dict[str, tuple[str, ...]] = {BOX: ("gpu", "gateway")}
OLLAMA = "llmrack-ollama@main.service"
SMALL, LARGE = "llama3.2:1b", "qwen2.5-coder:7b"
SERVED = {
    "providers": {"local": STACK["providers"]["local"]},
    "models": {SMALL: {"provider": "local"}},
}
# Each changes one thing more, and so has one thing done.
ENVIRONMENT = {"OLLAMA_KEEP_ALIVE": "71s"}
PATIENT = SERVED | {"models": {SMALL: {"provider": "local", "timeout": 777}}}
WITH_LARGE = SERVED | {"models": {**PATIENT["models"], LARGE: {"provider": "local"}}}
MODELS = "/home/llm/.ollama/models"
RELEASES = "/home/llm/.local/opt/ollama"
BASE = "/home/llm/.local/opt/llmrack-gateway"


@pytest.fixture(scope="module")
def bare(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """A bare host, which lacks a package."""
    fresh(BOX)
    # Programs below /usr/local are found by what dpkg runs, too: `held` makes one.
    path = 'DPkg::Path "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";'
    module_site.on(BOX, f"echo '{path}' >/etc/apt/apt.conf.d/path; apt-get -q -y purge nftables")
    module_site.declare(HOSTS, SERVED)
    return module_site


def cut_power(site: Site) -> float:
    """Cut it, and boot the host from the same disk; when its sshd and its units were there."""
    # Its network is this machine's, which would still speak for it.
    site.lab.lose(BOX, MACHINE)
    site.lab.host(BOX).power_cut(120)
    booted = time.monotonic()
    # The process of this number is another one now.
    site.on(BOX, "rm -f /tmp/held")
    return booted


def cut_in_deploy(site: Site, reached: Callable[[], bool]) -> float:
    """Start a deploy, cut the power at some point; it ends by itself and says why."""
    run = site.start("pyinfra", site.inventory, "deploy.py", "-y")
    try:
        there = wait_until(reached, 180)
        booted = cut_power(site)
        said, _ = run.communicate(timeout=200)
    finally:
        run.kill()
    assert there, said
    assert run.returncode == 1, said
    assert f"[{BOX}] " in said and "the connection to it was lost" in said, said
    assert "Traceback" not in said
    return booted


def timed_deploy(site: Site) -> float:
    began = time.monotonic()
    site.deployed()
    return time.monotonic() - began


def answers(site: Site) -> bool:
    with suppress(httpx.HTTPError):
        return site.chat(BOX, SMALL).status_code == 200
    return False


def back(site: Site, since: float) -> float:
    """Seconds until the gateway answers, with nobody's help."""
    assert wait_until(lambda: answers(site), 120)
    return time.monotonic() - since


def keep_alive(site: Site) -> str:
    return site.environment_of(BOX, OLLAMA)["OLLAMA_KEEP_ALIVE"]


def test_a_bare_host_whose_power_fails_again_and_again_is_deployed_in_the_end(bare: Site) -> None:
    # In order: enabling linger, dpkg's last step, unpacking Ollama.
    for program, word in (
        ("loginctl", "enable-linger"),
        ("deb-systemd-helper", "nftables.service"),
        ("tar", "--zstd"),
    ):
        with held(bare, BOX, program, word) as reached:
            cut_in_deploy(bare, reached)
    uv = f"ls -d {BASE}/venvs/*/lib/python3*/site-packages/litellm"
    cut_in_deploy(bare, lambda: bool(bare.on(BOX, uv, check=False)))
    took = timed_deploy(bare)
    left = f"ls -d {BASE}/venvs/*.* {RELEASES}/*.unpacking /home/llm/.cache/llmrack/*; dpkg --audit"
    assert bare.on(BOX, left, check=False) == ""
    bare.settled()
    record(
        "power cut in a first deploy: while linger is enabled, while dpkg configures, while "
        "Ollama's archive is unpacked, while LiteLLM is installed",
        "the run says that it lost the host; each next one goes on",
        "4 runs ended by themselves with exit 1; the next one made all of it, and a further one "
        "changed nothing",
        took,
    )


@pytest.fixture
def site(bare: Site) -> Site:
    """The host, deployed as the test before declared it."""
    bare.deployed()
    return bare


def test_after_a_power_cut_the_host_serves_again_by_itself(site: Site) -> None:
    with Load(site, BOX) as load:
        load.wait_for(10)
        booted = cut_power(site)
        took = back(site, booted)
        before = len(load.so_far)
        load.wait_for(20)
    failed = lost(load.answers)
    assert not lost(load.answers[before + 4 :]), failed
    assert site.chat(BOX, SMALL).status_code == 200
    site.settled()
    record(
        "power cut while the host serves",
        "it serves again after the boot, without a deploy",
        f"so it did; {sum(failed.values())} of {len(load.answers)} requests failed, those asked "
        "while it was away; a deploy has nothing to change",
        took,
    )


def test_after_a_restart_in_good_order_the_host_serves_again_by_itself(site: Site) -> None:
    site.lab.host(BOX).reboot(120)
    took = back(site, time.monotonic())
    site.settled()
    record(
        "the host is restarted in good order",
        "it serves again, without a deploy",
        "so it did; a deploy has nothing to change",
        took,
    )


@pytest.mark.parametrize(
    ("what", "stack", "program", "word"),
    [
        ("Ollama is restarted with another environment", SERVED, "systemctl", "restart"),
        ("the gateway's next release is tried", PATIENT, "systemd-run", "--wait"),
    ],
    ids=["ollama", "gateway"],
)
def test_a_power_cut_in_a_change_leaves_a_host_that_serves(
    site: Site, what: str, stack: dict[str, Any], program: str, word: str
) -> None:
    site.declare(HOSTS, stack, ollama_environment=ENVIRONMENT)
    with held(site, BOX, program, word) as reached:
        booted = cut_in_deploy(site, reached)
        took = back(site, booted)
    site.deployed()
    assert keep_alive(site) == "71s"
    units = " ".join(map(service, COLOURS))
    states = site.as_service(BOX, f"systemctl --user is-active {units}", check=False)
    assert sorted(states.split()) == ["active", "inactive"]
    site.settled()
    record(
        f"power cut while {what}",
        "it serves again after the boot, without a deploy; the next one makes the change",
        "so it did; the next deploy made the change, and proved it",
        took,
    )


@pytest.fixture
def slow_registry(bare: Site) -> Iterator[Callable[[], int]]:
    """The registry sends 2 MB a second; yields what tells how many bytes it has sent."""
    url = bare.lab.control("registry")

    def rate(limit: int | None) -> None:
        httpx.post(f"{url}/rate", json={"bytes_per_s": limit}, verify=False).raise_for_status()

    rate(2_000_000)
    yield lambda: int(httpx.get(f"{url}/bytes", verify=False).json()["bytes_sent"])
    rate(None)


def test_a_pull_goes_on_after_a_power_cut(site: Site, slow_registry: Callable[[], int]) -> None:
    site.declare(HOSTS, WITH_LARGE, ollama_environment=ENVIRONMENT)
    part = f"cat {MODELS}/blobs/*-partial | wc -c"
    before = int(site.on(BOX, f"cat {MODELS}/blobs/sha256-* | wc -c")), slow_registry()
    booted = cut_in_deploy(site, lambda: int(site.on(BOX, part, check=False) or 0) > 2_000_000)
    took = back(site, booted)
    site.deployed()
    size = int(site.on(BOX, f"cat {MODELS}/blobs/sha256-* | wc -c")) - before[0]
    assert slow_registry() - before[1] - size < 2_000_000
    site.settled()
    record(
        "power cut while a model is pulled",
        "it serves again after the boot; the next deploy goes on with the pull where it was",
        "so it did; what was there was not fetched again",
        took,
    )
