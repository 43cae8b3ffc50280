"""Disks that are full.

Host: box1, its home on a filesystem of its own. The gateway on box3 is declared until box1 has one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.faults.disks import Disk, deploy_with, paused
from tests.lab.faults.table import record
from tests.lab.site import STACK, Run, Site

BOX = "box1"
HOME = "/srv/home/llm"
BASE = f"{HOME}/.local/opt/llmrack-gateway"
ENGINE = {BOX: ("gpu",), "box3": ("gateway",)}
BOTH = {BOX: ("gpu", "gateway")}
UNIT = "llmrack-ollama@main.service"
ENVIRONMENT = f"{HOME}/.config/llmrack/ollama/main.env"
FULL = r"[Nn]o space left on device"
SUMS = "cd /var/lib/llmrack; sha256sum last-run made written"
EXPECTED = "one error names host, place and way out; nothing half written; what serves goes on"


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    fresh(BOX)
    module_site.only = BOX
    return module_site


@pytest.fixture(scope="module")
def home(site: Site) -> Disk:
    return Disk(site, BOX, "/srv/home")


@pytest.fixture(scope="module")
def notes(site: Site) -> Disk:
    return Disk(site, BOX, "/var/lib/llmrack")


@pytest.fixture(autouse=True)
def _room(home: Disk, notes: Disk) -> Iterator[None]:
    """No disk is full after the test that filled it."""
    yield
    home.make_room()
    notes.make_room()


def declare(
    site: Site,
    hosts: dict[str, tuple[str, ...]] = ENGINE,
    models: tuple[str, ...] = (),
    **data: object,
) -> None:
    more: dict[str, Any] = {name: {"provider": "local"} for name in models}
    stack = STACK | {"models": STACK["models"] | more}
    site.declare(hosts, stack, service_home=HOME, **data)


def tree(site: Site) -> str:
    """Everything in the home that a deploy writes, with its size and time."""
    skipped = f"-path {HOME}/.local/state -o -path '*/__pycache__' -o -name '*-partial'"
    return site.on(
        BOX, f"find {HOME} \\( {skipped} \\) -prune -o -type f -printf '%p %s %T@\\n' | sort"
    )


def process(site: Site, unit: str = UNIT) -> str:
    return site.as_service(BOX, f"systemctl --user show -P MainPID -P ActiveState {unit}")


def refused_or_failed(run: Run, said: str, place: str) -> None:
    """The run has failed with one reason, which says so and names the place."""
    assert run.code == 1, run.output
    (reason,) = re.findall(r"\[box1\] (?:.* failed: |refused, nothing was changed: )", run.output)
    text = run.output.split(reason, 1)[1]
    assert re.search(said, text), run.output
    assert f"{place} has " in text and "MiB free" in text, run.output
    assert "make room" in text, run.output
    assert "Traceback" not in run.output


def recovered(site: Site, home: Disk) -> float:
    """Make room, deploy, expect that to converge; the seconds it took."""
    home.make_room()
    begun = time.monotonic()
    site.deployed()
    seconds = time.monotonic() - begun
    site.settled()
    return seconds


def test_what_does_not_fit_is_refused_before_the_first_byte(site: Site, home: Disk) -> None:
    declare(site)
    home.fill(leave=100)
    run = site.deploy()
    refused_or_failed(run, r"the filesystem at /srv/home has 100 MiB free, but \d+", "/srv/home")
    assert site.on(BOX, f"ls -A {home.mount}; getent passwd llm", check=False) == ""
    record(
        "disk: too small for what is declared",
        "refused before anything is changed; free and needed space are named",
        "refused: the filesystem, free, needed, and what needs it; nothing was changed",
    )


def test_a_disk_that_fills_up_while_a_release_is_unpacked(site: Site, home: Disk) -> None:
    declare(site)
    with paused(site, BOX, "tar", "--zstd") as reached:

        def fill() -> None:
            home.fill()
            site.on(BOX, "touch /tmp/go")

        run = deploy_with(site, reached, fill)
    refused_or_failed(run, FULL, "/srv/home")
    assert "Archive" in run.output
    assert site.on(BOX, f"ls {HOME}/.local/opt/ollama") == ""
    seconds = recovered(site, home)
    record(
        "disk: full while Ollama's release is unpacked",
        EXPECTED,
        "the archive is named, and the filesystem; half of the release was removed again",
        seconds,
    )


def test_a_disk_that_fills_up_while_a_model_is_pulled(site: Site, home: Disk) -> None:
    declare(site, models=("qwen2.5-coder:7b",))
    before = process(site)
    rate = f"{site.lab.control('registry')}/rate"
    httpx.post(rate, json={"bytes_per_s": 200_000}, verify=False).raise_for_status()
    try:
        partial = f"ls {HOME}/.ollama/models/blobs/*-partial"
        run = deploy_with(
            site, lambda: site.on(BOX, partial, check=False) != "", lambda: home.fill()
        )
    finally:
        httpx.post(rate, json={"bytes_per_s": None}, verify=False).raise_for_status()
    refused_or_failed(run, FULL, "/srv/home")
    assert process(site) == before
    assert "qwen2.5-coder" not in site.on(BOX, "curl -fs http://127.0.0.1:11434/api/tags")
    seconds = recovered(site, home)
    record(
        "disk: full while a model is pulled",
        EXPECTED,
        "Ollama's words and the filesystem are told; Ollama serves on; its part is continued",
        seconds,
    )


def test_a_disk_without_room_for_a_configuration_file(site: Site, home: Disk) -> None:
    declare(site, models=("qwen2.5-coder:7b",), ollama_environment={"OLLAMA_KEEP_ALIVE": "91s"})
    before, files = process(site), tree(site)
    home.fill()
    run = site.deploy()
    refused_or_failed(run, FULL, "/srv/home")
    assert ENVIRONMENT in run.output
    assert (process(site), tree(site)) == (before, files)
    seconds = recovered(site, home)
    assert site.environment_of(BOX, UNIT)["OLLAMA_KEEP_ALIVE"] == "91s"
    record(
        "disk: no room for a configuration file",
        EXPECTED,
        "the file is named, and is as it was; Ollama was not restarted",
        seconds,
    )


def test_a_disk_without_room_for_llmracks_own_notes(site: Site, notes: Disk) -> None:
    declare(site, models=("qwen2.5-coder:7b",), ollama_environment={"OLLAMA_KEEP_ALIVE": "92s"})
    before, files = process(site), tree(site)
    noted = site.on(BOX, SUMS)
    notes.fill()
    run = site.deploy()
    refused_or_failed(run, f"its lock cannot be taken: .*{FULL}", "/var/lib/llmrack")
    assert (process(site), tree(site)) == (before, files)
    assert site.on(BOX, SUMS) == noted
    seconds = recovered(site, notes)
    record(
        "disk: no room in /var/lib/llmrack",
        EXPECTED,
        "refused, as the host cannot be locked; its notes are as they were",
        seconds,
    )


@pytest.fixture(scope="module")
def built(site: Site, home: Disk) -> tuple[str, str, Run]:
    """A deploy of the gateway that met a full disk: Ollama before and after, and the run."""
    declare(site, ENGINE)
    site.deployed()
    declare(site, BOTH)
    before = process(site)
    begun = f"ls -d {BASE}/venvs/*.uv/bin/pip"
    run = deploy_with(site, lambda: site.on(BOX, begun, check=False) != "", lambda: home.fill())
    return before, process(site), run


def test_a_disk_that_fills_up_while_the_gateways_environment_is_built(
    site: Site, home: Disk, built: tuple[str, str, Run]
) -> None:
    before, after, run = built
    refused_or_failed(run, FULL, "/srv/home")
    assert f"Venv {BASE}/venvs/" in run.output
    assert after == before
    assert site.on(BOX, f"ls {BASE}/venvs") == ""
    seconds = recovered(site, home)
    record(
        "disk: full while the gateway's environment is built",
        EXPECTED,
        "uv's words and the filesystem are told; what was half built was removed again",
        seconds,
    )


@pytest.mark.usefixtures("built")
def test_a_disk_without_room_for_a_release_of_the_gateway(site: Site, home: Disk) -> None:
    stack = STACK | {"chains": {"gpt-oss:20b-cloud": ["llama3.2:1b"]}}
    site.declare(BOTH, stack, service_home=HOME)
    releases = site.on(BOX, f"ls {BASE}/releases; readlink {BASE}/current")
    home.fill()
    run = site.deploy()
    refused_or_failed(run, FULL, "/srv/home")
    assert site.on(BOX, f"ls {BASE}/releases; readlink {BASE}/current") == releases
    assert site.chat(BOX, "llama3.2:1b").status_code == 200
    seconds = recovered(site, home)
    record(
        "disk: no room for a release of the gateway",
        EXPECTED,
        "the release is named and is not there; the one before it serves on",
        seconds,
    )


@pytest.mark.usefixtures("built")
def test_a_disk_that_is_full_while_the_gateway_serves(site: Site, home: Disk) -> None:
    log = f"{HOME}/.local/state/llmrack/requests/requests.jsonl"

    def lines() -> int:
        return int(site.on(BOX, f"wc -l <{log}"))

    assert site.chat(BOX, "llama3.2:1b").status_code == 200
    assert wait_until(lambda: lines() > 0, DEADLINE)
    home.fill()
    answers = [site.chat(BOX, "llama3.2:1b").status_code for _ in range(20)]
    assert answers == [200] * 20
    before = lines()
    home.make_room()
    begun = time.monotonic()
    assert site.chat(BOX, "llama3.2:1b").status_code == 200
    assert wait_until(lambda: lines() > before, DEADLINE)
    seconds = time.monotonic() - begun
    said = site.on(BOX, "journalctl -q -o cat _SYSTEMD_USER_UNIT=llmrack-gateway@blue.service "
                        "_SYSTEMD_USER_UNIT=llmrack-gateway@green.service")  # fmt: skip
    assert re.search(f"requests are not noted: .*{FULL}", said)
    (lost,) = re.findall(r"requests are noted again: .*; (\d+) were lost", said)
    record(
        "disk: full while the gateway serves",
        "requests are answered; what cannot be noted of them is counted",
        f"20 of 20 answered; {lost} lines of the log of requests were lost, and that was said",
        seconds,
    )
