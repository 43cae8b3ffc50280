"""A fleet that serves one model, with a release of Ollama that is made for a test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llmrack_lab.base import host_architecture
from llmrack_lab.standins.ollama import STANDIN_VERSION
from tests.lab.older_release import archive_of
from tests.lab.site import Run, Site

GATEWAY = "box1"
MODEL = "llama3.2:1b"
STACK: dict[str, Any] = {
    "providers": {"local": {"kind": "ollama", "group": "gpu"}},
    "models": {MODEL: {"provider": "local"}},
}
UNIT = "llmrack-ollama@main.service"
# Seconds from one token to the next: slow enough that every host always has a stream under way.
PACE = 0.05
# A program in the place of Ollama's own: what it does when it serves, and as a command.
SERVES = 'case $1 in serve) {};; esac; exec "$REAL" "$@"'


class Fleet:
    """A gateway on box1, Ollama on ``engines``."""

    def __init__(self, site: Site, engines: Sequence[str]) -> None:
        self.site = site
        self.engines = engines

    def declare(self, version: str, instead: str = "", **data: object) -> None:
        """Declare a release."""
        arch = host_architecture()
        mirror = self.site.lab.folder / "mirror" / f"v{STANDIN_VERSION}"
        original = mirror / f"ollama-linux-{arch}.tar.zst"
        archive = self.site.folder / f"{version}.tar.zst"
        digest = archive_of(version, original, archive, instead, PACE)
        settings: dict[str, Any] = {
            "ollama_environment": {"OLLAMA_CONTEXT_LENGTH": 8192, "OLLAMA_NUM_PARALLEL": 16},
            "ollama_version": version,
            "ollama_sha256": {arch: digest},
            "ollama_archive": str(archive),
        }
        hosts = {GATEWAY: ("gateway",), **dict.fromkeys(self.engines, ("gpu",))}
        self.site.declare(hosts, STACK, **settings | data)

    def deploy(self, version: str, instead: str = "", **data: object) -> Run:
        """Declare and deploy it."""
        self.declare(version, instead, **data)
        return self.site.deploy()

    def version(self, host: str) -> str:
        """The version that answers there."""
        # Only gateways get through to it.
        told = self.site.on(host, "curl -fs http://127.0.0.1:11434/api/version")
        return str(json.loads(told)["version"])

    def versions(self) -> set[str]:
        """The versions that answer."""
        return {self.version(host) for host in self.engines}

    def pids(self) -> dict[str, str]:
        """Each host's process."""
        return {host: self._shown(host, "MainPID") for host in self.engines}

    def restarts(self) -> list[tuple[float, float, str]]:
        """When each host's process was ended and the next one answered, in their order."""

        # All hosts are one machine: their clock is one, too.
        def seconds(host: str, event: str) -> float:
            return float(self._shown(host, f"{event}TimestampMonotonic")) / 1e6

        return sorted(
            (seconds(host, "InactiveEnter"), seconds(host, "ActiveEnter"), host)
            for host in self.engines
        )

    def _shown(self, host: str, name: str) -> str:
        return self.site.as_service(host, f"systemctl --user show -P {name} {UNIT}")
