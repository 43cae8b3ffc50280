"""Every supported release of Debian and Ubuntu has what llmrack expects of a host's system.

The tables are those of the archives: packages.debian.org and packages.ubuntu.com.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmrack.bundle.targets import DISTRIBUTIONS
from llmrack.components.plan import by_component
from llmrack.components.system.system import OLDEST_PYTHON, OLDEST_SYSTEMD
from llmrack.resources.packages import Packages
from llmrack.stack.fleet import Fleet, Host
from tests import ROOT
from tests.unit.declare import host, settings, site
from tests.unit.shipped.test_imports import FILES, imported

# Upstream versions in the order of SYSTEMS, without those of later security updates.
SYSTEMS = ("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04")
VERSIONS = {
    "ca-certificates": ("20230311", "20250419", "20211016", "20240203"),
    "curl": ("7.88.1", "8.14.1", "7.81.0", "8.5.0"),
    "dbus-user-session": ("1.14.10", "1.16.2", "1.12.20", "1.14.10"),
    "libpam-systemd": ("252", "257", "249", "255"),
    "nftables": ("1.0.6", "1.1.3", "1.0.2", "1.0.9"),
    "prometheus": ("2.42.0", "2.53.3", "2.31.2", "2.45.3"),
    "prometheus-node-exporter": ("1.5.0", "1.9.0", "1.3.1", "1.7.0"),
    "python3": ("3.11", "3.13", "3.10", "3.12"),
    "python3-venv": ("3.11", "3.13", "3.10", "3.12"),
    "zstd": ("1.5.4", "1.5.7", "1.4.8", "1.5.5"),
}
# Needed for: --fail, --noproxy and --unix-socket; `authorization` in prometheus.yml; sets in rules.
OLDEST = {"curl": (7, 40), "prometheus": (2, 26), "nftables": (0, 9)}

# systemd.directives(7) of systemd 249. Of credentials see `gateway.has_credentials`.
DIRECTIVES = """
After Also Backlog Before BindsTo CapabilityBoundingSet ConditionPathExists Conflicts
DefaultDependencies Description Documentation Environment EnvironmentFile ExecReload ExecStart
ExecStartPost ExecStartPre ExecStop InaccessiblePaths KillMode LimitCORE LimitNOFILE ListenStream
LockPersonality MemoryDenyWriteExecute MemoryMax NoDelay NoNewPrivileges NotifyAccess OOMPolicy
PrivateDevices PrivateTmp PrivateUsers ProtectClock ProtectControlGroups ProtectHome
ProtectHostname ProtectKernelLogs ProtectKernelTunables ProtectSystem ReadWritePaths
RemainAfterExit Requires Restart RestartSec RestrictAddressFamilies RestrictNamespaces
RestrictRealtime RestrictSUIDSGID RuntimeDirectory RuntimeDirectoryPreserve Service Sockets
StartLimitIntervalSec SystemCallArchitectures SystemCallErrorNumber SystemCallFilter TasksMax
TimeoutAbortSec TimeoutStartFailureMode TimeoutStartSec TimeoutStopSec Type UMask WantedBy Wants
WatchdogSec WorkingDirectory
"""
# curl(1) of curl 7.81.
CURL = """
--connect-timeout --data-binary --fail --max-time --noproxy --retry --retry-connrefused
--speed-limit --speed-time --unix-socket
"""
# docs.python.org, "What's New": modules of the standard library that 3.12 and 3.13 lack.
REMOVED = """
aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis
nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib
"""


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def installed() -> set[str]:
    """The packages that some host of a fleet gets by name, apart from drivers."""
    groups = frozenset({"gpu", "gateway", "monitor"})
    everything = Host("gw", groups, "10.0.0.9", settings(ollama_bind="0.0.0.0"))
    fleet = Fleet((host(ollama_bind="0.0.0.0"), everything))
    return {
        name
        for entry in fleet.hosts
        for part in by_component(site(fleet=fleet), entry, "amd64", "n").values()
        for resource in part
        if isinstance(resource, Packages)
        for name in resource.packages
    }


def text_of(pattern: str) -> str:
    return "\n".join(file.read_text() for file in sorted((ROOT / "templates").rglob(pattern)))


def test_every_package_is_in_every_release() -> None:
    assert installed() == VERSIONS.keys()
    assert set(SYSTEMS) == DISTRIBUTIONS.keys()


@pytest.mark.parametrize("system", SYSTEMS)
def test_its_versions_are_new_enough(system: str) -> None:
    of = {name: numbers(versions[SYSTEMS.index(system)]) for name, versions in VERSIONS.items()}
    assert of["python3"] == numbers(DISTRIBUTIONS[system].python)[:2] >= OLDEST_PYTHON
    assert of["libpam-systemd"] >= (OLDEST_SYSTEMD,)
    assert {name: of[name] for name, oldest in OLDEST.items() if of[name] < oldest} == {}


def test_units_use_what_the_oldest_systemd_has() -> None:
    units = text_of("*.service.j2") + text_of("*.socket.j2") + text_of("*.conf.j2")
    assert set(re.findall(r"^([A-Z]\w+)=", units, re.MULTILINE)) - set(DIRECTIVES.split()) == set()


def test_scripts_use_what_the_oldest_curl_has() -> None:
    lines = re.sub(r"\\\n", " ", text_of("*.sh")).splitlines()
    options = {
        word for line in lines if "curl " in line for word in re.findall(r" (--[a-z-]+)", line)
    }
    assert options - set(CURL.split()) == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_programs_use_modules_that_the_newest_python_has(path: Path) -> None:
    assert {name.partition(".")[0] for name in imported(path)} & set(REMOVED.split()) == set()


def test_the_page_names_the_systems_as_they_are() -> None:
    page = (ROOT / "docs" / "hosts.md").read_text()
    rows = re.findall(r"^\| (Debian|Ubuntu) ([\d.]+) \| (\d+) \| ([\d.]+) \|", page, re.MULTILINE)
    assert {
        f"{name.lower()}-{number}": (systemd, python) for name, number, systemd, python in rows
    } == {
        system: (VERSIONS["libpam-systemd"][at], VERSIONS["python3"][at])
        for at, system in enumerate(SYSTEMS)
    }
    assert (
        f"systemd {OLDEST_SYSTEMD} or later and, for a gateway, Python 3.{OLDEST_PYTHON[1]} "
        in page
    )
