"""What stands in for the internet in a lab: small servers at the real names' addresses."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llmrack_lab import processes
from llmrack_lab.keys import Authority
from llmrack_lab.network import Network
from llmrack_lab.release import Kind
from llmrack_lab.shell import LabError, Progress, wait_until

HOST = "net"
"""The namespace that all of them run in."""

CONTROL_PORT = 9000
START_DEADLINE = 20.0


@dataclass(frozen=True)
class Service:
    """A stand-in: what it is called, what it stands in for, and how it is started.

    + number: of its address in the lab's subnet
    + port: that it listens on
    + arguments: of the program beyond its addresses and certificate
    + key: the API key variable whose value it accepts
    + client_key: the variable of a second one, which goes into a header of its own
    + module: of the program, where that is not called as the service is
    + tls: who signs its certificate: the lab's authority, which hosts trust, or its own
    """

    name: str
    hostname: str
    number: int
    port: int
    purpose: str
    arguments: tuple[str, ...] = ()
    key: str | None = None
    client_key: str | None = None
    module: str | None = None
    tls: Literal["lab", "own"] | None = None

    @property
    def has_control(self) -> bool:
        """Whether it has a control port (the providers do)."""
        return self.key is not None


REGISTRY = Service("registry", "registry.ollama.ai", 2, 443, "Ollama's model registry", tls="lab")
MIRROR = Service("mirror", "mirror.lab", 2, 80, "mirror of Ollama's release")
CLOUD = Service("cloud", "ollama.com", 3, 443, "Ollama Cloud", key="OLLAMA_API_KEY", tls="lab")
VLLM = Service(
    "vllm",
    "vllm.lab",
    4,
    8000,
    "a vLLM server",
    ("--model", "Qwen/Qwen2.5-Coder-7B-Instruct"),
    key="VLLM_API_KEY",
)
OPENAI = Service(
    "openai",
    "openai.lab",
    5,
    443,
    "an OpenAI-like provider",
    key="OPENAI_API_KEY",
    module="openai_like",
    tls="lab",
)
OFFICE = Service(
    "office",
    "office.lab",
    6,
    8443,
    "somebody's Ollama behind a proxy",
    ("--as", "office"),
    key="OFFICE_API_KEY",
    client_key="OFFICE_CLIENT_KEY",
    module="remote",
    tls="own",
)
ATTIC = Service(
    "attic",
    "attic.lab",
    7,
    11434,
    "somebody's Ollama",
    ("--as", "attic"),
    key="ATTIC_API_KEY",
    module="remote",
)

RELEASE_SERVICES = (REGISTRY, MIRROR)
"""What the official release does not need."""

PROVIDERS = (CLOUD, VLLM, OPENAI, OFFICE, ATTIC)


def commanded(name: str) -> Service:
    """The stand-in of this name that takes commands; LabError if there is none."""
    by_name = {service.name: service for service in (*RELEASE_SERVICES, *PROVIDERS)}
    if name not in by_name:
        raise LabError(f"{name!r} takes no commands; these do: {', '.join(by_name)}")
    return by_name[name]


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
        scheme = "https" if service.tls else "http"
        return f"{scheme}://{self.address(service)}/__standin__"

    def fault(self, service: Service, authority: Path, body: Mapping[str, object]) -> None:
        """Make it misbehave; LabError when it does not know how or is not there."""
        # httpx costs 0.1 s to import; every command imports this module.
        import httpx

        url = f"{self.control(service)}/fault"
        trust = ssl.create_default_context(cafile=str(authority))
        try:
            answer = httpx.post(url, json=body, verify=trust, timeout=10, trust_env=False)
        except httpx.HTTPError as error:
            raise LabError(f"{service.name} does not answer at {url}: {error}") from None
        if not answer.is_success:
            refusal = answer.text.strip()[:300]
            raise LabError(f"{service.name} refuses the mode {body['mode']!r}: {refusal}")

    def accept(self, service: Service, key: str, only: bool) -> None:
        """Have it take one more key, or that one `only`; LabError when it is not there."""
        import httpx

        url = f"{self.control(service)}/keys"
        body = {"key": key, "only": only}
        try:
            httpx.post(url, json=body, timeout=10, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            raise LabError(f"{service.name} does not answer at {url}: {error}") from None

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
            from llmrack_lab.standins.models import build_models

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
        module = f"llmrack_lab.standins.{service.module or service.name}"
        words += [module, "--listen", listen, *service.arguments]
        if service is MIRROR:
            words += ["--dir", self._folder / "mirror"]
        if service is REGISTRY:
            words += ["--dir", self._models]
        if service.tls:
            signer = authority if service.tls == "lab" else self._own_authority(service)
            certificate, key = signer.issue(service.hostname, address)
            words += ["--cert", certificate, "--key", key]
        if service.has_control:
            words += ["--control", f"{address}:{CONTROL_PORT}"]
        environment = {"STANDIN_API_KEY": keys[service.key]} if service.key else {}
        if service.client_key:
            environment["STANDIN_CLIENT_KEY"] = keys[service.client_key]
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

        wait_until(ended_or_up, START_DEADLINE, tell=lambda text: tell(f"{service.name}: {text}"))
        if not self.is_running(service):
            log = self._log(service)
            tail = " | ".join(log.read_text(errors="replace").strip().splitlines()[-2:])
            raise LabError(f"the stand-in {service.name} does not start; {log} ends with: {tail}")

    def _own_authority(self, service: Service) -> Authority:
        """Make the authority that signs for one service alone; `NAME-ca.pem` is its certificate."""
        authority = Authority(self._folder / f"{service.name}-ca")
        shown = self._folder / f"{service.name}-ca.pem"
        if not shown.exists():
            shown.symlink_to(authority.certificate)
        return authority

    @property
    def _models(self) -> Path:
        # All labs of a checkout share them.
        return self._folder.parent / "cache" / "models"

    def _log(self, service: Service) -> Path:
        return self._folder / "log" / f"{service.name}.log"
