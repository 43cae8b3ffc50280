"""What can be wrong with hosts: groups, addresses, reach, versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from llmrack.problems import Problem, nearest
from llmrack.stack.checks import key_checks, request_checks
from llmrack.stack.declaration import Declaration
from llmrack.stack.engines import instance_name, instances, served
from llmrack.stack.fleet import EXPORTER_PORT, MONITOR_GROUP, Host, is_engine
from llmrack.stack.providers import OllamaProvider
from llmrack.stack.settings import is_loopback

# pyinfra's own names too, as in @docker/box; nothing that a shell or a rule would read as its own.
_NAME = re.compile(r"[A-Za-z0-9@:][A-Za-z0-9._:/@-]{0,199}")
# Below it: CVE-2026-7482 (remote code execution while a model is loaded).
OLLAMA_OLDEST = (0, 17, 1)
OLLAMA_CHECKS_DIGESTS = (0, 32, 10)
# The last one that takes LoRA adapters (errAdaptersUnsupported in server/create.go of v0.34.1).
OLLAMA_WITH_ADAPTERS = (0, 34, 0)


def names(d: Declaration) -> Iterator[Problem]:
    """Hosts have names and addresses that can stand anywhere."""
    for host in d.fleet.hosts:
        for what, text in (("name", host.name), ("address", host.address)):
            # What LiteLLM would read as a secret's name begins so.
            if not _NAME.fullmatch(text) or text == "os.environ":
                yield Problem(
                    "inventory",
                    host.name,
                    f"its {what} has characters that are not allowed",
                    "use letters, digits and . - : only",
                )


def groups(d: Declaration) -> Iterator[Problem]:
    """Every group that a provider names has a host, and somebody is the gateway."""
    for name, provider in d.stack.providers.items():
        if isinstance(provider, OllamaProvider) and provider.group not in d.fleet.groups:
            yield d.problem(
                f"providers.{name}.group",
                f"the inventory has no host in a group {provider.group!r}",
                nearest(provider.group, d.fleet.groups),
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
    """No two providers ask the same server as the same client, and no two servers share a port."""
    seen: dict[str, str] = {}
    for name, provider in d.stack.providers.items():
        if isinstance(provider, OllamaProvider):
            continue
        client = [provider.api_key, sorted(provider.headers.items())]
        client.append(sorted(provider.secret_headers.items()))
        other = seen.setdefault(f"{provider.url} {client}", name)
        if other != name:
            yield d.problem(
                f"providers.{name}.url",
                f"{provider.url} is already the address of provider {other!r}, with the same key "
                "and headers",
                "keep one provider for it and give its models to that one, or give each a key",
            )
    at: dict[tuple[str, int], str] = {}
    for host in d.fleet.hosts:
        for what, port in _ports(d, host):
            other = at.setdefault((host.address, port), f"{what} of {host.name}")
            if other != f"{what} of {host.name}":
                yield Problem(
                    "inventory",
                    host.name,
                    f"{what} of {host.name} and {other} both claim {host.address}:{port}",
                    "give each host its own address, or each server its own port",
                )


def instance_names(d: Declaration) -> Iterator[Problem]:
    """What a gateway calls its instances by, hosts and providers, are different names."""
    hosts = {host.name for host in d.fleet.hosts}
    for name, provider in d.stack.providers.items():
        if name in hosts and not isinstance(provider, OllamaProvider):
            yield d.problem(
                f"providers.{name}",
                "is the name of a host, too, so that reports could not tell them apart",
                "give the provider another name",
            )


def _ports(d: Declaration, host: Host) -> Iterator[tuple[str, int]]:
    if is_engine(d.stack, host):
        for instance in instances(host):
            name = instance_name(host, instance).removeprefix(host.name).lstrip("/")
            yield f"Ollama {name}".rstrip(), instance.port
    if "gateway" in host.groups:
        yield "the gateway", host.settings.gateway_port
    if d.fleet.monitors:
        yield "the node exporter", EXPORTER_PORT
    if MONITOR_GROUP in host.groups:
        yield "Prometheus", host.settings.monitor_port


def reachable_engines(d: Declaration) -> Iterator[Problem]:
    """A gateway can reach Ollama on every other host."""
    for gateway in d.fleet.gateways:
        for host in d.fleet.hosts:
            if not is_engine(d.stack, host) or host.name == gateway.name:
                continue
            if is_loopback(host.settings.ollama_bind):
                yield Problem(
                    "group_data",
                    f"ollama_bind (host {host.name})",
                    f"Ollama on {host.name} listens on loopback only, so the gateway on "
                    f"{gateway.name} cannot reach it",
                    "set ollama_bind to the host's LAN address or 0.0.0.0 (a firewall rule then "
                    "lets only the gateways in)",
                )


def guard(d: Declaration) -> Iterator[Problem]:
    """The firewall rule is made of addresses: a name could change under it."""
    guarded = [
        host
        for host in d.fleet.hosts
        if is_engine(d.stack, host)
        and not is_loopback(host.settings.ollama_bind)
        and host.settings.ollama_guard
    ]
    for gateway in d.fleet.gateways:
        if any(host.name != gateway.name for host in guarded) and not _is_address(gateway.address):
            yield Problem(
                "inventory",
                gateway.name,
                f"{gateway.address!r} is no IP address, but the firewall rule that lets this "
                "gateway reach Ollama needs one",
                "give the host its IP address as 'address'",
            )


def monitors(d: Declaration) -> Iterator[Problem]:
    """Prometheus reaches every gateway, and the firewall rules let it reach the exporters."""
    for monitor in d.fleet.monitors:
        others = [host for host in d.fleet.hosts if host.name != monitor.name]
        if others and not _is_address(monitor.address):
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


def _is_address(text: str) -> bool:
    try:
        # A zone behind it could be anything.
        return "%" not in str(ip_address(text))
    except ValueError:
        return False


def versions(d: Declaration) -> Iterator[Problem]:
    """No Ollama with a hole that is known to be used."""
    for host in d.fleet.hosts:
        if is_engine(d.stack, host) and _version(host) < OLLAMA_OLDEST:
            yield Problem(
                "group_data",
                f"ollama_version (host {host.name})",
                f"{host.settings.ollama_version} has a hole that lets a model file run code "
                "(CVE-2026-7482)",
                "choose 0.32.10 or later",
            )


def adapters(d: Declaration) -> Iterator[Problem]:
    """No adapter is declared for an Ollama that takes none."""
    for name, model in d.stack.models.items():
        if not (model.create and model.create.adapters):
            continue
        for host in d.fleet.hosts:
            if name in served(d.stack, host) and _version(host) > OLLAMA_WITH_ADAPTERS:
                yield d.problem(
                    f"models.{name}.create.adapters",
                    f"Ollama {host.settings.ollama_version} on {host.name} takes no LoRA adapters, "
                    "the last that did is 0.34.0",
                    "merge it into the weights and declare those as 'gguf', or set ollama_version "
                    "to 0.34.0",
                    *("models", name, "create", "adapters"),
                )


def warnings(declaration: Declaration) -> list[Problem]:
    """What is not wrong but should be known before a deploy."""
    return [
        Problem(
            "group_data",
            f"ollama_version (host {host.name})",
            f"{host.settings.ollama_version} can skip the digest check of what it pulls",
            "choose 0.32.10 or later",
        )
        for host in declaration.fleet.hosts
        if is_engine(declaration.stack, host)
        and OLLAMA_OLDEST <= _version(host) < OLLAMA_CHECKS_DIGESTS
    ] + [*key_checks.not_issued(declaration), *request_checks.relied_on(declaration)]


def _version(host: Host) -> tuple[int, ...]:
    return version_numbers(host.settings.ollama_version)


def version_numbers(version: str) -> tuple[int, ...]:
    """Ollama's version as numbers; a build made by hand calls itself 0.0.0 and is taken as new."""
    text = re.match(r"[\d.]+", version)
    numbers = tuple(int(part) for part in (text[0] if text else "").strip(".").split("."))
    return numbers if any(numbers) else (999,)
