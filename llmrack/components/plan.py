"""The plan of a host as text: its resources, and its files with secrets left out."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent

from llmrack.components.engines import ENGINES, architectures
from llmrack.components.gateway import gateway
from llmrack.components.gateway.client_keys import NO_KEYS
from llmrack.components.gateway.service import GatewayService
from llmrack.components.gpu import gpu
from llmrack.components.listeners import listeners
from llmrack.components.monitor import monitor
from llmrack.components.monitor.prometheus import PrometheusConfiguration
from llmrack.components.system import system
from llmrack.resources.change import Resource
from llmrack.resources.files import EnvironmentFile, File
from llmrack.resources.releases import Release
from llmrack.secrets.value import MASK, Secret
from llmrack.stack.engines import instances, is_engine
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import Stack

COMPONENTS = ("system", "gpu", *ENGINES, "gateway", "monitor")


def by_component(
    stack: Stack,
    fleet: Fleet,
    host: Host,
    secrets: Mapping[str, Secret],
    nonce: str,
    arch: str,
    credentials: bool = True,
    client_keys: str = NO_KEYS,
) -> dict[str, list[Resource]]:
    """Everything ``host`` shall have, in the order it is made.

    + nonce: salt of this run's snapshot
    + arch: the host's architecture, ``amd64`` or ``arm64``
    + credentials: whether its systemd has them for user units, as current ones do
    + client_keys: the gateways' ``keys.json``
    """
    found = (
        system.resources(stack, host),
        gpu.resources(host) if is_engine(stack, host) else [],
        *(engine.resources(stack, fleet, host, arch) for engine in ENGINES.values()),
        gateway.resources(stack, fleet, host, secrets, nonce, credentials, client_keys),
        monitor.resources(stack, fleet, host, secrets, nonce),
    )
    return dict(zip(COMPONENTS, found, strict=True))


def plan_text(
    stack: Stack,
    fleet: Fleet,
    host: Host,
    secrets: Mapping[str, Secret],
    client_keys: str,
    files: bool,
) -> str:
    """The plan, a line a resource; with ``files`` their content below them."""
    groups = ", ".join(sorted(host.groups))
    lines = [f"{host.name} ({host.address}; {groups})"]
    if is_engine(stack, host) and not instances(stack, host):
        lines.append(
            "  one instance per GPU, and nobody has looked yet (llmrack status --gpus does)"
        )
    listening = ", ".join(map(str, listeners(stack, fleet, host)))
    lines.append(f"  listens on {listening}" if listening else "  listens on nothing")
    # Without a look at the host its architecture is not known: the first one that is pinned.
    arch = architectures(host)[0]
    parts = by_component(stack, fleet, host, secrets, "", arch, client_keys=client_keys)
    for component, resources in parts.items():
        lines.append(f"  {component}:" if resources else f"  {component}: nothing")
        for resource in resources:
            lines.append(f"    {resource.name}{_way(resource)}")
            if files:
                lines += [
                    indent(text, "      | ", lambda line: True) for text in _contents(resource)
                ]
    return "\n".join(lines) + "\n"


def _way(resource: Resource) -> str:
    if not isinstance(resource, GatewayService):
        return ""
    return (
        " (its keys are a systemd credential, or its environment where systemd is older than "
        f"{gateway.CREDENTIALS_SYSTEMD})"
    )


def _contents(resource: Resource) -> list[str]:
    if isinstance(resource, File):
        return [resource.content.rstrip("\n")]
    if isinstance(resource, EnvironmentFile):
        return [f"{name}={MASK}" for name in sorted(resource.values)]
    if isinstance(resource, Release | PrometheusConfiguration):
        # Programs go to the host as they stand in templates/.
        return [
            f"--- {name}\n{content.rstrip()}"
            for name, content in resource.files
            if not name.endswith(".py")
        ]
    return []
