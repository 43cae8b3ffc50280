"""Checks of hosts: names, groups, addresses, ports, monitors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from llmrack.problems import Problem, nearest
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import EXPORTER_PORT, MONITOR_GROUP, Host
from llmrack.stack.instances import instance_name
from llmrack.stack.settings import is_loopback

# Also pyinfra's own names, as in @docker/box; no character that a shell or a rule would interpret.
_NAME = re.compile(r"[A-Za-z0-9@:][A-Za-z0-9._:/@-]{0,199}")

# Units of Debian's packages, to which monitoring adds a drop-in.
_PROMETHEUS, _EXPORTER = "prometheus.service", "prometheus-node-exporter.service"


def names(d: Declaration) -> Iterator[Problem]:
    """Names and addresses of hosts have only characters that are safe everywhere."""
    for host in d.fleet.hosts:
        for field, text in (("name", host.name), ("address", host.address)):
            # LiteLLM would read this as the beginning of a secret's name.
            if not _NAME.fullmatch(text) or text == "os.environ":
                yield Problem(
                    "inventory",
                    host.name,
                    f"its {field} has characters that are not allowed",
                    "use letters, digits and . - : only",
                )


def groups(d: Declaration) -> Iterator[Problem]:
    """Every group that a provider names has a host, and at least one host is a gateway."""
    for name, provider in d.stack.providers.items():
        if provider.runs_on and provider.runs_on not in d.fleet.groups:
            yield d.problem(
                f"providers.{name}.group",
                f"the group {provider.runs_on!r} is empty",
                nearest(provider.runs_on, d.fleet.groups),
            )
    if not d.fleet.gateways:
        hint = nearest("gateway", d.fleet.groups)
        yield Problem(
            "inventory",
            "gateway",
            "no host is in the group 'gateway'",
            f"add a list named gateway with the host that shall run it; {hint}",
        )


def addresses(d: Declaration) -> Iterator[Problem]:
    """No two providers have the same address and key, and no two servers share a port."""
    seen: dict[str, str] = {}
    for name, provider in d.stack.providers.items():
        remote = provider.remote
        if remote is None:
            continue
        client = [remote.api_key, sorted(remote.headers.items())]
        client += [sorted(remote.secret_headers.items()), sorted(provider.parameters.items())]
        prefix = provider.litellm("chat", "")[0] if not remote.url else ""
        other = seen.setdefault(f"{remote.url} {prefix} {client}", name)
        if other != name:
            yield d.problem(
                f"providers.{name}.url",
                f"{remote.url or remote.base or prefix} is already the address of provider "
                f"{other!r}, with the same key and headers",
                "keep one provider for it and give its models to that one, or give each a key",
            )
    at: dict[tuple[str, int], str] = {}
    for host in d.fleet.hosts:
        for server, port in _ports(d, host):
            other = at.setdefault((host.address, port), f"{server} of {host.name}")
            if other != f"{server} of {host.name}":
                yield Problem(
                    "inventory",
                    host.name,
                    f"{server} of {host.name} and {other} both claim {host.address}:{port}",
                    "give each host its own address, or each server its own port",
                )


def instance_names(d: Declaration) -> Iterator[Problem]:
    """Hosts and remote providers have different names, because instances are named after them."""
    hosts = {host.name for host in d.fleet.hosts}
    for name, provider in d.stack.providers.items():
        if name in hosts and provider.remote:
            yield d.problem(
                f"providers.{name}",
                "is the name of a host, too, so that reports could not tell them apart",
                "give the provider another name",
            )


def _ports(d: Declaration, host: Host) -> Iterator[tuple[str, int]]:
    for provider in d.stack.providers.values():
        for instance in provider.instances(host):
            name = instance_name(host, instance).removeprefix(host.name).lstrip("/")
            yield f"{provider.title} {name}".rstrip(), instance.port
    if "gateway" in host.groups:
        yield "the gateway", host.settings.gateway_port
    if d.fleet.monitors:
        yield "the node exporter", EXPORTER_PORT
    if MONITOR_GROUP in host.groups:
        yield "Prometheus", host.settings.monitor_port


def monitors(d: Declaration) -> Iterator[Problem]:
    """Prometheus reaches every gateway, and the firewall rules let it reach the exporters."""
    for monitor in d.fleet.monitors:
        others = [host for host in d.fleet.hosts if host.name != monitor.name]
        if others and not is_address(monitor.address):
            yield Problem(
                "inventory",
                monitor.name,
                f"{monitor.address!r} is no IP address, but the firewall rules that let its "
                "Prometheus reach the other hosts need one",
                "give the host its IP address as 'address'",
            )
        for gateway in others:
            if "gateway" in gateway.groups and is_loopback(gateway.settings.gateway_bind):
                yield Problem(
                    "group_data",
                    f"gateway_bind (host {gateway.name})",
                    f"the gateway on {gateway.name} listens on loopback only, so Prometheus on "
                    f"{monitor.name} cannot reach it",
                    "set gateway_bind to the host's LAN address or 0.0.0.0 (its keys guard it), or "
                    f"put {gateway.name} into the group 'monitor' instead",
                )


def replaced(d: Declaration) -> Iterator[Problem]:
    """No host replaces a service that llmrack itself needs."""
    for host in d.fleet.hosts:
        needed = {_EXPORTER} if d.fleet.monitors else set()
        needed |= {_PROMETHEUS} if MONITOR_GROUP in host.groups else set()
        for unit in sorted(needed & set(host.settings.replaces)):
            yield Problem(
                "group_data",
                f"replaces (host {host.name})",
                f"names {unit}, which llmrack's monitoring runs",
                "leave it out",
            )


def is_address(text: str) -> bool:
    """Whether a host's address is an IP address."""
    try:
        # A zone behind it could be anything.
        return "%" not in str(ip_address(text))
    except ValueError:
        return False


def without_proxy(d: Declaration) -> Iterator[Problem]:
    """Warnings of a proxy's login and exemptions where no host has a proxy."""
    hosts = d.fleet.hosts
    if any(host.settings.proxy for host in hosts):
        return
    for setting in ("proxy_login", "no_proxy"):
        if any(getattr(host.settings, setting) for host in hosts):
            cause = "has no effect, as no host has a proxy"
            yield Problem("group_data", setting, cause, "set proxy, or drop it")
