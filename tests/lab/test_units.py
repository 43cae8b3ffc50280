"""The units as they run: what their hardening forbids fails, they come back, the guard holds."""

from __future__ import annotations

import json
import platform
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests.lab.site import ROOT, Site

BOX, ENGINE = "box1", "box2"
DEADLINE = 120.0  # seconds; a gateway starts in 8, and in 35 on a busy machine
PROBE = "/usr/local/lib/hardening_probe.py"
FOLDER = "/srv/hardening-probe"
# Beside the units of llmrack, and gone with the next boot. The sleeper is a child that a killed
# server leaves behind.
DROP_IN = f"""[Service]
ExecStartPost=/usr/bin/python3 {PROBE} {FOLDER} {{own}}
ExecStartPost=/bin/sh -c 'sleep 31415 & :'
"""
NATIVE_ONLY = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="only x86 has a second architecture in the same process"
)


def hardening(template: str) -> dict[str, str]:
    """The directives that a unit's template lists as what a user manager can carry out."""
    text = (ROOT / "templates" / template).read_text()
    section = text.partition("# What a user manager can carry out")[2].partition("[Install]")[0]
    return dict(re.findall(r"^(\w+)=(.*)", section, re.MULTILINE))


# For each directive whether the probe shall find possible inside the unit what it is about. All of
# it is possible outside, so it is the unit that forbids it.
FORBIDDEN = {
    "PrivateUsers": False,
    "NoNewPrivileges": False,
    "PrivateTmp": False,
    "ProtectSystem": False,
    "ProtectHome": False,
    "InaccessiblePaths": False,
    "LockPersonality": False,
    "RestrictRealtime": False,
    "RestrictSUIDSGID": False,
    "RestrictAddressFamilies": False,
    "SystemCallArchitectures": False,
    "SystemCallFilter": False,
    "SystemCallErrorNumber": False,
    "UMask": False,
}
INSIDE = {role: FORBIDDEN | {"ReadWritePaths": True} for role in ("ollama", "gateway")}
# What each may write.
OWN = {"ollama": "/home/llm/.ollama", "gateway": "/home/llm/.local/state/llmrack/requests"}
TEMPLATES = {
    "ollama": "ollama/llmrack-ollama@.service.j2",
    "gateway": "gateway/llmrack-gateway@.service.j2",
}
CASES = [
    pytest.param(
        role, name, id=f"{role}-{name}", marks=[NATIVE_ONLY] * (name == "SystemCallArchitectures")
    )
    for role, expected in INSIDE.items()
    for name in expected
]


@dataclass
class Units:
    """The two services of BOX, by the names used here: ollama and gateway."""

    site: Site
    outside: dict[str, Any]

    def unit(self, role: str) -> str:
        """The unit that is active."""
        units = "llmrack-ollama@main.service" if role == "ollama" else "'llmrack-gateway@*.service'"
        listed = self.site.as_service(
            BOX, f"systemctl --user list-units --plain --no-legend --state=active {units}"
        )
        return listed.split()[0] if listed else ""

    def pid(self, role: str) -> str:
        """The server's process."""
        unit = self.unit(role)
        return self.site.as_service(BOX, f"systemctl --user show -P MainPID {unit}") if unit else ""

    def answers(self, role: str) -> bool:
        port, path = {"ollama": (11434, "/api/version"), "gateway": (4000, "/health/readiness")}[
            role
        ]
        url = f"http://127.0.0.1:{port}{path}"
        return self.site.on(BOX, f"curl -fs -o /dev/null -m 5 {url} && echo yes", check=False) != ""

    def inside(self, role: str) -> dict[str, Any]:
        """What the probe found in the unit's last start."""
        journal = f"journalctl -q -o cat _SYSTEMD_USER_UNIT={self.unit(role)}"
        return parse(self.site.on(BOX, f"{journal} | grep '^PROBE ' | tail -n 1"))


def parse(line: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line.removeprefix("PROBE "))
    return found


@pytest.fixture(scope="module")
def site(module_site: Site, fleet_deployed: None) -> Site:
    """One gateway, two hosts with Ollama on the LAN."""
    module_site.declare({BOX: ("gpu", "gateway"), ENGINE: ("gpu",)})
    module_site.deployed()
    module_site.settled()
    return module_site


@pytest.fixture(scope="module")
def units(site: Site, lab: Lab) -> Iterator[Units]:
    """The units with the probe in their starts."""
    yield from probed(site, lab)


def probed(site: Site, lab: Lab) -> Iterator[Units]:
    """Restart the units of BOX with the probe in their starts, then without it."""
    program = Path(__file__).with_name("hardening_probe.py").read_text()
    lab.host(BOX).ssh(
        f"cat > {PROBE} && mkdir -p {FOLDER} && chown llm {FOLDER} && touch /tmp/hardening-probe",
        input=program,
    )
    units = Units(site, parse(site.as_service(BOX, f"python3 {PROBE} {FOLDER} {FOLDER}")))
    names = [units.unit(role) for role in OWN]
    for role, name in zip(OWN, names, strict=True):
        folder = f"/run/user/$(id -u)/systemd/user/{name}.d"
        lab_command = f"mkdir -p {folder} && cat > {folder}/probe.conf"
        uid = "i=$(id -u llm); setpriv --reuid=$i --regid=$i --init-groups sh -c"
        lab.host(BOX).ssh(f"{uid} '{lab_command}'", input=DROP_IN.format(own=OWN[role]))
    restart = f"systemctl --user daemon-reload && systemctl --user restart {' '.join(names)}"
    site.as_service(BOX, restart)
    yield units
    site.as_service(BOX, f"rm -r /run/user/$(id -u)/systemd/user/llmrack-*.d; {restart}")
    site.on(BOX, f"rm -r {PROBE} {FOLDER} /tmp/hardening-probe")


@pytest.mark.parametrize("role", INSIDE)
def test_every_hardening_directive_of_the_template_is_probed(role: str) -> None:
    assert INSIDE[role].keys() == hardening(TEMPLATES[role]).keys()


@pytest.mark.parametrize(("role", "directive"), CASES)
def test_what_it_forbids_fails_inside_and_only_there(
    units: Units, role: str, directive: str
) -> None:
    found = units.inside(role)["possible"][directive], units.outside["possible"][directive]
    assert found == (INSIDE[role][directive], True)


@pytest.mark.parametrize("role", INSIDE)
def test_the_server_itself_is_in_the_sandbox_that_was_probed(units: Units, role: str) -> None:
    fields = ("NoNewPrivs", "Seccomp", "Seccomp_filters", "CapBnd", "Umask", "Uid")
    probed = units.inside(role)["status"]
    status = units.site.on(BOX, f"cat /proc/{units.pid(role)}/status")
    running = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert {name: running[name] for name in fields} == {name: probed[name] for name in fields}


@pytest.mark.parametrize("role", INSIDE)
def test_the_server_sees_the_machine_read_only(units: Units, role: str) -> None:
    mounts = units.site.on(BOX, f"cat /proc/{units.pid(role)}/mountinfo").splitlines()
    root = next(line.split() for line in mounts if line.split()[4] == "/")
    assert "ro" in root[5].split(",")


@pytest.mark.parametrize("role", INSIDE)
def test_a_killed_server_comes_back_and_leaves_no_child_behind(units: Units, role: str) -> None:
    server, unit = units.pid(role), units.unit(role)
    members = f"grep -lF '/{unit}' /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3"
    before = set(units.site.on(BOX, members).split())
    assert before > {server}
    units.site.on(BOX, f"kill -9 {server}")
    assert wait_until(lambda: units.pid(role) not in ("", "0", server), DEADLINE)
    assert wait_until(lambda: units.answers(role), DEADLINE)
    after = set(units.site.on(BOX, "cd /proc && ls -d [0-9]*").split())
    assert not before & after


def test_nothing_listens_that_was_not_declared(site: Site) -> None:
    ssh = {"0.0.0.0:22", "[::]:22"}
    ollama, gateway = "0.0.0.0:11434", "0.0.0.0:4000"
    for host, declared in ((BOX, {ollama, gateway}), (ENGINE, {ollama})):
        listening = site.listening(host)
        assert {address.replace("*", "0.0.0.0") for address in listening} == ssh | declared


def test_the_one_unit_of_an_earlier_version_gives_way_to_its_instance(site: Site) -> None:
    old = "llmrack-ollama.service"
    text = "[Service]\\nExecStart=sleep 31415\\n[Install]\\nWantedBy=default.target\\n"
    site.as_service(
        ENGINE,
        f"printf '{text}' > ~/.config/systemd/user/{old} && systemctl --user daemon-reload && "
        f"systemctl --user -q enable --now {old}",
    )
    assert f"to be removed: {old}" in site.deployed().output
    states = site.as_service(ENGINE, f"systemctl --user show -P ActiveState -P UnitFileState {old}")
    assert states.split() == ["inactive", "disabled"]
    assert reaches(site, ENGINE, "127.0.0.1")
    site.settled()


def is_open(address: str, timeout: float = 1.0) -> bool:
    """Whether Ollama's port takes a connection from the controller."""
    try:
        socket.create_connection((address, 11434), timeout=timeout).close()
    except OSError:
        return False
    return True


def reaches(site: Site, source: str, address: str) -> bool:
    """Whether Ollama answers at ``address`` to a program on the host ``source``."""
    url = f"http://{address}:11434/api/version"
    return "version" in site.on(source, f"curl -s -m 2 {url}", check=False)


@pytest.mark.parametrize("host", [BOX, ENGINE])
def test_ollama_is_closed_to_who_is_no_gateway(site: Site, host: str) -> None:
    assert not is_open(site.lab.host(host).address)


def test_ollama_on_the_gateway_host_is_closed_to_other_engines(site: Site) -> None:
    assert not reaches(site, ENGINE, site.lab.host(BOX).address)


def test_ollama_is_open_to_the_gateway(site: Site) -> None:
    assert reaches(site, BOX, site.lab.host(ENGINE).address)


@pytest.mark.parametrize("host", [BOX, ENGINE])
def test_ollama_is_open_to_its_own_host(site: Site, host: str) -> None:
    assert reaches(site, host, "127.0.0.1")
    assert reaches(site, host, site.lab.host(host).address)


def test_the_gateway_is_open_and_wants_a_key(site: Site) -> None:
    url = f"http://{site.lab.host(BOX).address}:4000/v1/models"
    assert httpx.get(url, trust_env=False, timeout=10).status_code == 401


def test_the_guard_is_there_before_ollama_when_the_host_reboots(site: Site, lab: Lab) -> None:
    host = lab.host(ENGINE)
    with ThreadPoolExecutor(1) as pool:
        reboot = pool.submit(host.reboot)
        opened = [is_open(host.address, 0.2) for _ in iter(reboot.done, True)]
        reboot.result()
    assert wait_until(lambda: reaches(site, BOX, host.address), DEADLINE)
    assert not any(opened)
    assert not is_open(host.address)
    site.settled()
