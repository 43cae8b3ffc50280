"""A deploy that is killed in a transfer, or while it is at work: the next one goes on from there.

Hosts: box2 and box3 (gpu).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from llmrack_lab.shell import wait_until
from tests.lab.faults.killed import killed, timed_deploy, where
from tests.lab.faults.table import record
from tests.lab.site import STACK, Site
from tests.lab.sources import archive_path

OTHER, THIRD = "box2", "box3"
ENGINES = {OTHER: ("gpu",), THIRD: ("gpu",), "box4": ("gateway",)}
SMALL, LARGE = "llama3.2:1b", "qwen2.5-coder:7b"
LOCAL = {
    "providers": {"local": STACK["providers"]["local"]},
    "models": {SMALL: {"provider": "local"}},
}
WITH_LARGE = LOCAL | {"models": {**LOCAL["models"], LARGE: {"provider": "local"}}}
MODELS = "/home/llm/.ollama/models"
TAIL = "/usr/local/bin/tail"


@pytest.fixture(scope="module")
def engines(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """Ollama on two hosts; a gateway is declared, but takes half a minute to deploy."""
    for name in (OTHER, THIRD):
        fresh(name)
    module_site.only = "gpu"
    module_site.declare(ENGINES, LOCAL)
    module_site.deployed()
    return module_site


def keep_alive(site: Site, host: str) -> str:
    return site.environment_of(host, "llmrack-ollama@main.service")["OLLAMA_KEEP_ALIVE"]


@pytest.fixture
def held_back(engines: Site) -> Iterator[Callable[[], None]]:
    """Where Ollama is about to be restarted on OTHER, that waits until it is let go."""
    wrapper = "/usr/local/bin/systemctl"
    script = (
        '#!/bin/sh\ncase " $* " in *" restart "*) : >/tmp/reached; '
        "while [ ! -e /tmp/go ]; do sleep 0.1; done;; esac\n"
        'exec /usr/bin/systemctl "$@"\n'
    )
    host = engines.lab.host(OTHER)
    host.ssh(f"rm -f /tmp/go /tmp/reached; cat >{wrapper} && chmod 755 {wrapper}", input=script)
    yield lambda: host.ssh("touch /tmp/go") and None
    engines.on(OTHER, f"touch /tmp/go; rm -f {wrapper}")


def test_a_run_after_a_killed_one_waits_for_what_that_left_at_work(
    engines: Site, held_back: Callable[[], None]
) -> None:
    engines.only = OTHER
    engines.declare(ENGINES, LOCAL, ollama_environment={"OLLAMA_KEEP_ALIVE": "91s"})
    with engines.start("pyinfra", engines.inventory, "deploy.py", "-y", "--limit", OTHER) as first:
        try:
            assert wait_until(lambda: bool(engines.on(OTHER, "ls /tmp/reached", check=False)), 120)
        finally:
            first.kill()
    second = engines.start("pyinfra", engines.inventory, "deploy.py", "-y", "--limit", OTHER)
    assert second.stdout
    told = ""
    while "waiting until what a run that broke off left at work" not in told:
        line = second.stdout.readline()
        told += line
        assert line, told
    began = time.monotonic()
    held_back()
    rest, _ = second.communicate(timeout=120)
    took = time.monotonic() - began
    assert second.returncode == 0, told + rest
    assert keep_alive(engines, OTHER) == "91s"
    # It looked again: what was left at work had restarted Ollama by then.
    assert "started with other files" not in rest
    engines.settled()
    record(
        "a deploy is killed while its script restarts Ollama",
        "the script ends in its own time; the next run waits for it",
        "the next run waited, looked again, did not restart it a second time, and proved it",
        took,
    )


def killed_while(site: Site, reached: Callable[[], bool]) -> None:
    """Start a deploy, and kill it once something is under way."""
    limit = ("--limit", site.only) if site.only else ()
    with site.start("pyinfra", site.inventory, "deploy.py", "-y", *limit) as deploy:
        try:
            there = wait_until(reached, 120)
        finally:
            deploy.kill()
        assert there, deploy.communicate()[0]


def test_an_archive_that_was_sent_in_half_is_sent_anew(
    engines: Site, fresh: Callable[[str], None]
) -> None:
    fresh(OTHER)
    engines.only = OTHER
    archive = archive_path(engines.lab)
    engines.declare(ENGINES, LOCAL, ollama_archive=str(archive))
    assert where(killed(engines, "upload")) == "in an upload"
    there = int(engines.on(OTHER, "cat /var/tmp/llmrack-* | wc -c"))
    assert there < archive.stat().st_size
    took = timed_deploy(engines)
    assert engines.on(OTHER, "ls -d /var/tmp/llmrack-*", check=False) == ""
    engines.settled()
    record(
        "a deploy is killed while it sends Ollama's archive",
        "no half archive is used; it is sent anew",
        "the half one was replaced, nothing of it stays",
        took,
    )


@pytest.fixture
def slow_registry(engines: Site) -> Iterator[Callable[[], int]]:
    """The registry sends 2 MB a second; yields what tells how many bytes it has sent."""
    url = engines.lab.control("registry")

    def rate(limit: int | None) -> None:
        httpx.post(f"{url}/rate", json={"bytes_per_s": limit}, verify=False).raise_for_status()

    def sent() -> int:
        return int(httpx.get(f"{url}/bytes", verify=False).json()["bytes_sent"])

    rate(2_000_000)
    yield sent
    rate(None)


def test_a_pull_that_was_killed_goes_on_where_it_was(
    engines: Site, slow_registry: Callable[[], int]
) -> None:
    engines.only = OTHER
    engines.declare(ENGINES, WITH_LARGE)
    part = f"cat {MODELS}/blobs/*-partial | wc -c"
    before = slow_registry()
    killed_while(engines, lambda: int(engines.on(OTHER, part, check=False) or 0) > 2_000_000)
    took = timed_deploy(engines)
    whole = int(engines.on(OTHER, f"cat {MODELS}/blobs/sha256-* | wc -c"))
    # What was under way when the connection broke was sent twice, at most.
    twice = slow_registry() - before - whole
    assert twice < 2_000_000
    assert engines.on(OTHER, f"ls {MODELS}/blobs/*-partial", check=False) == ""
    engines.settled()
    record(
        "a deploy is killed while Ollama pulls a model",
        "the next one goes on where it was",
        "what was there was not fetched again; no part of a blob stays",
        took,
    )


def test_a_copy_from_host_to_host_that_was_killed_goes_on_where_it_was(engines: Site) -> None:
    engines.only = "gpu"
    engines.declare(ENGINES, WITH_LARGE)
    sender = engines.lab.host(OTHER)
    slow = '#!/bin/sh\n/usr/bin/tail "$@" | { head -c 3000000; sleep 600; }\n'
    sender.ssh(f"cat >{TAIL} && chmod 755 {TAIL}", input=slow)
    part = f"cat {MODELS}/.llmrack/*.part | wc -c"
    try:
        killed_while(engines, lambda: int(engines.on(THIRD, part, check=False) or 0) >= 3_000_000)
    finally:
        engines.on(OTHER, f"rm {TAIL}; pkill -u llm -x sleep", check=False)
    took = timed_deploy(engines)
    left = f"ls -d {MODELS}/.llmrack /run/user/*/llmrack-copy /home/llm/.ssh/authorized_keys"
    assert engines.on(OTHER, left, check=False) == engines.on(THIRD, left, check=False) == ""
    engines.settled()
    record(
        "a deploy is killed while a blob is copied from one host to another",
        "the copy ends and its key is void; the next one goes on where it was",
        "as expected; neither a part nor a key stays on either host",
        took,
    )
