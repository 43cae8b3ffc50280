"""A deployed host: how exposed its units are, what listens, who may read and write what is there.

Hosts: box1 (gpu, gateway), box2 (gpu, monitor), and box3, a stranger in the same network.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.faults.table import record
from tests.lab.site import ROOT, STACK, Site

BOX, OTHER, STRANGER = "box1", "box2", "box3"
HOSTS = {BOX: ("gpu", "gateway"), OTHER: ("gpu", "monitor")}
# With a model to warm up, which has a unit of its own.
WARM = STACK | {"models": STACK["models"] | {"llama3.2:1b": {"provider": "local", "preload": True}}}
# The table of docs/safety.md: `unit` | highest exposure | why no less.
BOUNDS = {
    unit: float(bound)
    for unit, bound in re.findall(
        r"^\| `([\w@.-]+)` \| ([\d.]+) \|", (ROOT / "docs/safety.md").read_text(), re.MULTILINE
    )
}
# Below these everything is llmrack's; of other folders what is called after it.
OURS = (
    "/home/llm/.config /home/llm/.local /home/llm/.cache/llmrack /etc/llmrack "
    "/usr/local/lib/llmrack /var/lib/llmrack /run/llmrack $(ls -d /etc/systemd/system/*llmrack*)"
)


@pytest.fixture(scope="module")
def site(module_site: Site, fleet_deployed: None) -> Site:
    module_site.declare(HOSTS, WARM)
    module_site.deployed()
    return module_site


def units(site: Site, host: str) -> dict[str, str]:
    """Units that llmrack has written, or has a drop-in for: each with ``--user`` or nothing."""
    instances = "systemctl --user list-units --all --plain --no-legend 'llmrack-*.service'"
    files = "systemctl list-unit-files --no-legend 'llmrack-*.service'"
    found = {line.split()[0]: "--user" for line in site.as_service(host, instances).splitlines()}
    found |= {line.split()[0]: "" for line in site.on(host, files).splitlines()}
    drop_ins = "ls -d /etc/systemd/system/*.service.d/llmrack.conf"
    for path in site.on(host, drop_ins, check=False).split():
        found[Path(path).parent.name.removesuffix(".d")] = ""
    return found


@pytest.mark.parametrize("host", HOSTS)
def test_no_unit_is_more_exposed_than_is_declared(site: Site, host: str) -> None:
    exposed = {}
    for unit, manager in units(site, host).items():
        command = f"systemd-analyze security --no-pager {manager} {unit} | tail -n 1"
        text = site.as_service(host, command) if manager else site.on(host, command)
        template = re.sub(r"@[^.]+", "@", unit)
        exposed[template] = float(re.findall(r": ([\d.]+) ", text)[0])
    assert exposed
    assert {unit: value for unit, value in exposed.items() if value > BOUNDS.get(unit, 0)} == {}
    record(
        f"safety: exposure of every unit on {host} (systemd-analyze security)",
        "none above the bound in docs/safety.md",
        f"{len(exposed)} units, none above; {max(exposed.values())} at most",
    )


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_listens_that_the_plan_does_not_name(site: Site, host: str) -> None:
    plan = site.run("llmrack", "plan", "-i", site.inventory, "--host", host)
    (named,) = re.findall(r"^  listens on (.*)$", plan.output, re.MULTILINE)
    ssh = {"0.0.0.0:22", "[::]:22"}
    listening = site.listening(host) - ssh
    assert listening == set(re.findall(r"(\S+) \(", named))
    record(
        f"safety: what listens on {host} beside sshd",
        "what the plan names, and nothing else",
        f"{len(listening)} ports, all named",
    )


@pytest.mark.parametrize("host", HOSTS)
def test_everything_belongs_to_the_service_user_or_to_root(site: Site, host: str) -> None:
    elsewhere = f"find {OURS} ! -user root ! -user llm"
    homeless = "find /home/llm ! -user llm"
    systems = f"find {OURS} -path '/home/*' -prune -o -path /var/lib/llmrack/metrics -prune -o "
    assert site.on(host, f"{elsewhere}; {homeless}") == ""
    assert site.on(host, f"{systems} ! -user root -print") == ""


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_else_may_write_to_anything(site: Site, host: str) -> None:
    assert site.on(host, f"find {OURS} /home/llm/.ollama ! -type l -perm /022") == ""


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_else_may_read_what_has_a_secret_in_it(site: Site, host: str) -> None:
    secrets = "|".join(re.escape(value) for value in site.secrets.values())
    readable = f"find {OURS} /home/llm -type f -perm /044 -exec grep -lE '{secrets}' {{}} +"
    assert site.on(host, readable, check=False) == ""


@pytest.mark.parametrize("host", HOSTS)
def test_the_folder_with_keys_is_closed(site: Site, host: str) -> None:
    assert site.on(host, "stat -c '%U %a' /home/llm/.config/llmrack") == "llm 700"


@pytest.mark.parametrize("host", HOSTS)
def test_ollama_is_closed_to_a_host_that_is_no_gateway(site: Site, host: str) -> None:
    assert answers(site, BOX, host, 11434)
    assert not answers(site, STRANGER, host, 11434)
    record(
        f"firewall: a third host asks Ollama on {host}",
        "the gateways alone get a connection",
        "no connection; the gateway gets one",
    )


@pytest.mark.parametrize("host", HOSTS)
def test_a_node_exporter_is_closed_to_a_host_that_does_not_monitor(site: Site, host: str) -> None:
    assert answers(site, OTHER, host, 9100) == (host == BOX)
    assert not answers(site, STRANGER, host, 9100)
    record(
        f"firewall: a third host asks the node exporter on {host}",
        "the hosts that monitor alone get a connection",
        "no connection",
    )


def test_a_guard_that_was_taken_away_is_back_with_the_next_deploy(site: Site) -> None:
    site.on(OTHER, "systemctl stop llmrack-guard.service")
    assert answers(site, STRANGER, OTHER, 11434)
    begun = time.monotonic()
    site.deployed()
    assert not answers(site, STRANGER, OTHER, 11434)
    record(
        "firewall: its rule is taken away by hand",
        "it is back with the next deploy",
        "a third host got through, and no longer after the deploy",
        time.monotonic() - begun,
    )


def answers(site: Site, source: str, target: str, port: int) -> bool:
    """Whether a program on ``source`` gets a connection to a port of ``target``."""
    address = site.lab.host(target).address
    connect = f"timeout 2 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo yes"
    return site.on(source, connect, check=False) == "yes"


def test_what_is_warmed_up_is_loaded_from_within_the_sandbox(site: Site) -> None:
    def state() -> str:
        shown = "systemctl --user show -P ActiveState llmrack-warm-up@main.service"
        return site.as_service(BOX, shown)

    assert wait_until(lambda: state() == "active", DEADLINE)
    assert "llama3.2:1b" in site.on(BOX, "curl -fs http://127.0.0.1:11434/api/ps")
