"""What stands in for the internet in a lab: small servers at the real names' addresses."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmrack.lab import processes
from llmrack.lab.keys import Authority
from llmrack.lab.network import Network
from llmrack.lab.release import Kind
from llmrack.lab.shell import LabError, Progress, wait_until

HOST = "net"
"""The namespace that all of them run in."""

CONTROL_PORT = 9000
START_DEADLINE = 20.0


@dataclass(frozen=True)
class Service:
    """A stand-in: what it is called, what it stands in for, and how it is started.

    + number: of its address in the lab's subnet
    + port: that it listens on; 443 means TLS
    + arguments: of the program beyond its addresses and certificate
    + key: the API key variable whose value it accepts
    """

    name: str
    hostname: str
    number: int
    port: int
    purpose: str
    arguments: tuple[str, ...] = ()
    key: str | None = None

    @property
    def has_control(self) -> bool:
        """Whether it has a control port (the providers do)."""
        return self.key is not None


REGISTRY = Service("registry", "registry.ollama.ai", 2, 443, "Ollama's model registry")
MIRROR = Service("mirror", "mirror.lab", 2, 80, "mirror of Ollama's release")
CLOUD = Service("cloud", "ollama.com", 3, 443, "Ollama Cloud", key="OLLAMA_API_KEY")
VLLM = Service(
    "vllm",
    "vllm.lab",
    4,
    8000,
    "a vLLM server",
    ("--model", "Qwen/Qwen2.5-Coder-7B-Instruct"),
    key="VLLM_API_KEY",
)
OPENAI = Service("openai", "openai.lab", 5, 443, "an OpenAI-like provider", key="OPENAI_API_KEY")

RELEASE_SERVICES = (REGISTRY, MIRROR)
"""What the official release does not need."""

PROVIDERS = (CLOUD, VLLM, OPENAI)


def needed(kind: Kind | None) -> tuple[Service, ...]:
    """The services of a lab whose hosts get this kind of Ollama release."""
    return PROVIDERS if kind == "official" else RELEASE_SERVICES + PROVIDERS


class Services:
    """The stand-ins of one lab, whose files are in `folder`."""

    def __init__(self, lab_id: str, folder: Path, network: Network) -> None:
        self._lab_id = lab_id
        self._folder = folder
        self._network = network

    def address(self, service: Service) -> str:
        """The service's address."""
        return self._network.address(service.number)

    def control(self, service: Service) -> str:
        """The URL below which the service's controls are (`/fault`, ...)."""
        if service.has_control:
            return f"http://{self.address(service)}:{CONTROL_PORT}"
        return f"https://{self.address(service)}/__standin__"

    def is_running(self, service: Service) -> bool:
        """Whether its process lives and its port, the one that faults leave open, answers."""
        if not processes.find(self._lab_id, service.name):
            return False
        port = CONTROL_PORT if service.has_control else service.port
        try:
            socket.create_connection((self.address(service), port), timeout=1).close()
        except OSError:
            return False
        return True

    def up(
        self,
        services: Sequence[Service],
        keys: Mapping[str, str],
        authority: Authority,
        tell: Progress,
    ) -> None:
        """Start those that do not run; return when all of them answer."""
        addresses = sorted({self.address(service) for service in services})
        self._network.up_host(HOST, addresses)
        if REGISTRY in services:
            from llmrack.lab.standins.models import build_models

            tell("registry: building its models, unless they are there")
            build_models(self._models)
        started = [service for service in services if not self.is_running(service)]
        for service in started:
            tell(f"{service.name}: starting the stand-in of {service.purpose}")
            processes.kill(self._lab_id, service.name)
            self._start(service, keys, authority)
        for service in started:
            self._wait(service, tell)

    def _start(self, service: Service, keys: Mapping[str, str], authority: Authority) -> None:
        address = self.address(service)
        listen = f"{address}:{service.port}"
        inside = f"--net={self._network.namespace_file(HOST)}"
        words: list[str | Path] = ["nsenter", inside, sys.executable, "-m"]
        if service is MIRROR:
            words += ["http.server", str(service.port), "--bind", address]
            words += ["--directory", self._folder / "mirror"]
        else:
            module = "openai_like" if service is OPENAI else service.name
            words += [f"llmrack.lab.standins.{module}", "--listen", listen, *service.arguments]
        if service is REGISTRY:
            words += ["--dir", self._models]
        if service.port == 443:
            certificate, key = authority.issue(service.hostname, address)
            words += ["--cert", certificate, "--key", key]
        if service.has_control:
            words += ["--control", f"{address}:{CONTROL_PORT}"]
        environment = {"STANDIN_API_KEY": keys[service.key]} if service.key else {}
        processes.start(
            words,
            lab_id=self._lab_id,
            role=service.name,
            log=self._log(service),
            env={**environment, "PYTHONUNBUFFERED": "1"},
        )

    def _wait(self, service: Service, tell: Progress) -> None:
        def ended_or_up() -> bool:
            return self.is_running(service) or not processes.find(self._lab_id, service.name)

        wait_until(ended_or_up, START_DEADLINE, tell=lambda told: tell(f"{service.name}: {told}"))
        if not self.is_running(service):
            log = self._log(service)
            tail = " | ".join(log.read_text(errors="replace").strip().splitlines()[-2:])
            raise LabError(f"the stand-in {service.name} does not start; {log} ends with: {tail}")

    @property
    def _models(self) -> Path:
        # All labs of a checkout share them.
        return self._folder.parent / "cache" / "models"

    def _log(self, service: Service) -> Path:
        return self._folder / "log" / f"{service.name}.log"
