"""What `llmrack lab status` says: a line for each host and service, with what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmrack_lab import gpus, services
from llmrack_lab.base import DEBIAN
from llmrack_lab.host import LabHost
from llmrack_lab.state import State


@dataclass(frozen=True)
class Line:
    """One line of a lab's status; `what` says honestly what kind of thing it is."""

    name: str
    address: str
    state: str
    what: str


def lines(lab: State, folder: Path, hosts: list[LabHost], servers: services.Services) -> list[Line]:
    """The lines of a lab, whose files are in ``folder``."""
    debian = f"Debian {DEBIAN[lab.suite]} host"
    found = [
        Line(host.name, host.address, _host_state(host), f"{debian}{cards}")
        for host in hosts
        for cards in [gpus.told(folder / host.name)]
    ]
    needed = services.needed(lab.release)
    for service in (*services.RELEASE_SERVICES, *services.PROVIDERS):
        if service not in needed:
            found.append(Line(service.name, "", "not needed", f"official: {service.purpose}"))
            continue
        running = "running" if servers.is_running(service) else "stopped"
        kind = lab.release if service is services.MIRROR else "stand-in"
        described = f"{kind}: {service.purpose}"
        found.append(Line(service.name, servers.address(service), running, described))
    return found


def _host_state(host: LabHost) -> str:
    running = "running" if host.answers() else "no ssh"
    return running if host.is_running() else "stopped"
