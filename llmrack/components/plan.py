"""The plan of a host as text: its resources, and its files without secrets."""

from __future__ import annotations

from textwrap import indent

from llmrack.components.engines import ENGINES, architectures
from llmrack.components.gateway import gateway
from llmrack.components.gateway.service import GatewayService
from llmrack.components.gpu import gpu
from llmrack.components.listeners import listeners
from llmrack.components.monitor import monitor
from llmrack.components.monitor.prometheus import PrometheusConfiguration
from llmrack.components.old_services.replacement import NoLongerReplaced, kept_replaced
from llmrack.components.system import system
from llmrack.resources.change import Resource
from llmrack.resources.files import EnvironmentFile, File
from llmrack.resources.releases import Release
from llmrack.secrets.value import MASK
from llmrack.site.site import Site
from llmrack.stack.engines import instances, is_engine
from llmrack.stack.fleet import GATEWAY_GROUP, Host
from llmrack.stack.litellm import Sections

COMPONENTS = ("system", "gpu", *ENGINES, "gateway", "monitor")


def by_component(
    site: Site, host: Host, arch: str, nonce: str = "", credentials: bool = True
) -> dict[str, list[Resource]]:
    """The resources of ``host``, in the order in which they are made.

    + arch: the host's architecture, ``amd64`` or ``arm64``
    + nonce: salt of this run's snapshot
    + credentials: whether its systemd has credentials for user units, as current ones do
    """
    stack, fleet = site.stack, site.fleet
    resources = (
        system.resources(site, host, nonce),
        gpu.resources(host) if is_engine(stack, host) else [],
        *(engine.resources(stack, fleet, host, arch) for engine in ENGINES.values()),
        # The gateway has its port by then, and the engine has left another's.
        [
            *gateway.resources(site, host, nonce, credentials),
            NoLongerReplaced(kept_replaced(stack, host)),
        ],
        monitor.resources(site, host, nonce),
    )
    return dict(zip(COMPONENTS, resources, strict=True))


def plan_text(site: Site, host: Host, files: bool) -> str:
    """The plan, one line for each resource; with ``files``, the content of files below it."""
    groups = ", ".join(sorted(host.groups))
    lines = [f"{host.name} ({host.address}; {groups})"]
    if is_engine(site.stack, host) and not instances(site.stack, host):
        lines.append(
            "  one instance per GPU, and nobody has looked yet (llmrack status --gpus does)"
        )
    listening = ", ".join(map(str, listeners(site.stack, site.fleet, host)))
    lines.append(f"  listens on {listening}" if listening else "  listens on nothing")
    if replaced := kept_replaced(site.stack, host):
        lines.append(f"  replaces {', '.join(replaced)}")
    if site.stack.litellm and GATEWAY_GROUP in host.groups:
        lines.append(f"  LiteLLM's own settings: {_own_settings(site.stack.litellm)}")
    if host.proxy:
        login = f" (login: the secret {host.proxy.login})" if host.proxy.login else ""
        lines.append(f"  reaches the internet by the proxy {host.proxy.address}{login}")
        lines.append(f"  asks without it: {', '.join(host.proxy.exempt)}")
    # Without a look at the host its architecture is not known: the first one that is pinned.
    arch = architectures(host)[0]
    parts = by_component(site, host, arch)
    for component, resources in parts.items():
        lines.append(f"  {component}:" if resources else f"  {component}: nothing")
        for resource in resources:
            lines.append(f"    {resource.name}{_way(resource)}")
            if files:
                lines += [
                    indent(text, "      | ", lambda line: True) for text in _contents(resource)
                ]
    return "\n".join(lines) + "\n"


def _own_settings(sections: Sections) -> str:
    """The sections of ``litellm``, with the names of their settings."""
    return ", ".join(
        f"{name} ({', '.join(section)})" if isinstance(section, dict) else name
        for name, section in sections.items()
    )


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
