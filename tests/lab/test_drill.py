"""`llmrack verify --drill`: instances are lost one after the other, and nothing stays broken.

Hosts: box1, box2 (gpu), box3 (gateway).
"""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.site import ROOT, Run, Site

HOSTS: dict[str, tuple[str, ...]] = {"box1": ("gpu",), "box2": ("gpu",), "box3": ("gateway",)}
UNIT = "llmrack-ollama@main.service"
LLAMA, CLOUD, CODER = "llama3.2:1b", "gpt-oss:20b-cloud", "coder"
STACK: dict[str, Any] = {
    "providers": {
        "local": {"kind": "ollama", "group": "gpu", "first_token_timeout": 1, "connect_timeout": 1},
        "cloud": {"kind": "ollama-cloud", "first_token_timeout": 2, "connect_timeout": 1},
        "vllm": {
            "kind": "vllm",
            "url": "http://vllm.lab:8000/v1",
            "api_key": "VLLM_API_KEY",
            "first_token_timeout": 1,
            "connect_timeout": 1,
        },
    },
    "models": {
        LLAMA: {"provider": "local"},
        CLOUD: {"provider": "cloud"},
        CODER: {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
    },
    "chains": {CLOUD: [LLAMA]},
}


def declare(site: Site, stack: dict[str, Any] = STACK) -> None:
    site.declare(HOSTS, stack, ollama_bind="0.0.0.0", gateway_cooldown=3)


@pytest.fixture(scope="module")
def site(module_site: Site) -> Site:
    declare(module_site)
    module_site.deployed()
    return module_site


def drill(site: Site, *options: str) -> Run:
    return site.run("llmrack", "verify", "--drill", "-i", site.inventory, *options)


def server(site: Site, host: str) -> str:
    """The run of an Ollama's unit: another one after each start."""
    return site.as_service(host, f"systemctl --user show -P InvocationID {UNIT}")


def is_frozen(site: Site, host: str) -> bool:
    pid = f"$(systemctl --user show -P MainPID {UNIT})"
    return site.as_service(host, f"cut -d' ' -f3 /proc/{pid}/stat") == "T"


def traces(site: Site) -> dict[str, str]:
    """What a drill could leave behind on a host."""
    look = (
        "systemctl list-units --all --plain --no-legend 'llmrack-drill*'; nft list tables | "
        "grep drill; systemctl --failed --plain --no-legend"
    )
    mine = f"systemctl --user is-active {UNIT}; systemctl --user --failed --plain --no-legend"
    return {
        host: site.on(host, look, check=False)
        + (site.as_service(host, mine, check=False) if "gpu" in HOSTS[host] else "active")
        for host in HOSTS
    }


def test_without_a_terminal_nothing_is_broken_unless_told_so(site: Site) -> None:
    before = server(site, "box1")
    run = drill(site)
    assert run.code == 2
    assert "where nobody can be asked, give --yes" in run.output
    assert server(site, "box1") == before


def test_a_person_who_does_not_agree_sees_what_would_be_broken(site: Site) -> None:
    before = server(site, "box1")
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "llmrack", "verify", "--drill", "-i", site.inventory],
        cwd=ROOT,
        env={**os.environ, "LLMRACK_LAB": site.lab.name},
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 2
    assert "its unit is stopped, then started" in done.stderr
    assert "Paid requests: about " in done.stderr and "Begin? [y/N]" in done.stderr
    assert server(site, "box1") == before


def test_it_does_not_begin_while_somebody_is_unwell(site: Site) -> None:
    site.fault("cloud", "500")
    run = drill(site, "--yes", "--limit", "box3")
    assert run.code == 1
    assert "FAILED box3: gpt-oss:20b-cloud on cloud (before): " in run.output
    assert "not everybody is well; mend that, then drill again" in run.output
    assert "cloud is refused" not in run.output


def test_every_loss_is_stood_in_for_and_everything_is_as_before(site: Site, tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    llmrack = str(Path(sys.executable).parent / "llmrack")
    options = ("verify", "--drill", "--yes", "--json", "--junit", str(junit), "-i", site.inventory)
    run = site.run("/bin/sh", "-c", '"$0" "$@" 2>/dev/null', llmrack, *options)
    report = json.loads(run.output)
    assert run.code == 0, run.output
    found = {(each["instance"], each["subject"], each["check"]) for each in report["results"]}
    causes = {
        ("box1", LLAMA): ("stopped", "frozen", "cut off"),
        ("box2", LLAMA): ("stopped", "frozen", "cut off"),
        ("cloud", CLOUD): ("refused", "cut off"),
    }
    assert found == {
        (instance, name, f"{cause}: {step}")
        for (instance, name), how in causes.items()
        for cause in how
        for step in ("stream", "plain", "again", "back")
    }
    assert report["no_standin"] == [{"name": CODER, "instance": "vllm"}]
    (suite,) = ElementTree.parse(junit).getroot()
    assert suite.get("failures") == "0" and suite.get("tests") == str(len(found))
    assert traces(site) == dict.fromkeys(HOSTS, "active")
    site.settled()


def test_a_chain_that_was_not_deployed_is_found(site: Site) -> None:
    # The gateway serves every name, so the ordinary proof has nothing to say against it.
    declare(site, STACK | {"chains": {CODER: [LLAMA]}})
    try:
        run = drill(site, "--yes", "--limit", "box3")
    finally:
        declare(site)
    assert run.code == 1, run.output
    assert "FAILED box3: coder on vllm (refused: stream, refused: plain" in run.output
    assert "nobody stood in, though box1 or box2 should" in " ".join(run.output.split())
    assert traces(site) == dict.fromkeys(HOSTS, "active")


def test_the_host_restores_what_a_killed_drill_has_broken(site: Site) -> None:
    command = ("llmrack", "verify", "--drill", "--yes", "--limit", "box1", "-i", site.inventory)
    with site.start(*command) as process:
        assert process.stdout
        for line in process.stdout:
            if "box1 is frozen" in line:
                break
        assert is_frozen(site, "box1")
        process.send_signal(signal.SIGKILL)
    assert is_frozen(site, "box1")
    assert wait_until(lambda: not is_frozen(site, "box1"), DEADLINE)
    assert wait_until(lambda: traces(site) == dict.fromkeys(HOSTS, "active"), DEADLINE), traces(
        site
    )


def test_an_interrupt_restores_at_once(site: Site) -> None:
    command = ("llmrack", "verify", "--drill", "--yes", "--limit", "box1", "-i", site.inventory)
    with site.start(*command) as process:
        assert process.stdout
        for line in process.stdout:
            if "box1 is frozen" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(10) == 130
    assert rest.endswith("Interrupted: what was broken is restored.\n")
    assert traces(site) == dict.fromkeys(HOSTS, "active")
