"""Checks of Ollama on hosts: instances, folders, reach, versions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from llmrack.problems import Problem
from llmrack.stack.checks.host_checks import is_address
from llmrack.stack.declaration import Declaration
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Host
from llmrack.stack.ollama.instances import SELECTORS, VULKAN_SELECTOR, models_folder
from llmrack.stack.settings import DeclaredInstance, is_loopback

# Older ones have CVE-2026-7482 (remote code execution while a model is loaded).
OLDEST = (0, 17, 1)
# The first one that always checks the digests of what it pulls.
CHECKS_DIGESTS = (0, 32, 10)


def instance_names(d: Declaration) -> Iterator[Problem]:
    """Instances differ in name and cards, and only the list of instances chooses cards."""
    for host in d.fleet.hosts:
        declared = host.settings.ollama_instances
        if not is_engine(d.stack, host) or declared == "one":
            continue
        where = f"ollama_instances (host {host.name})"
        for variable in (*SELECTORS, VULKAN_SELECTOR):
            if getattr(host.settings.ollama_environment, variable) is not None:
                yield Problem(
                    "group_data",
                    f"ollama_environment.{variable} (host {host.name})",
                    "the instances choose their cards themselves",
                    "leave it out, or set ollama_instances to 'one'",
                )
        if not isinstance(declared, tuple):
            continue
        if not declared:
            yield Problem(
                "group_data", where, "is an empty list", "use 'one', 'per-gpu' or name instances"
            )
        yield from _doubles(where, declared)


def _doubles(where: str, declared: tuple[DeclaredInstance, ...]) -> Iterator[Problem]:
    names = Counter(instance.name for instance in declared)
    cards = Counter(uuid for instance in declared for uuid in instance.gpus)
    for kind, counted in (("the name", names), ("the card", cards)):
        for value, times in counted.items():
            if times > 1:
                yield Problem(
                    "group_data", where, f"{kind} {value} stands there twice", "give it to one"
                )


def models_directory(d: Declaration) -> Iterator[Problem]:
    """The declared mount holds the models directory."""
    for host in d.fleet.hosts:
        mount = host.settings.ollama_models_mount
        folder = models_folder(host.settings)
        if mount and not PurePosixPath(folder).is_relative_to(mount):
            yield Problem(
                "group_data",
                f"ollama_models_mount (host {host.name})",
                f"{mount} does not hold the models directory {folder}",
                f"set ollama_models to a folder below {mount}",
            )


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
    """Gateways have IP addresses if a firewall rule names them; a host name could change."""
    guarded = [
        host
        for host in d.fleet.hosts
        if is_engine(d.stack, host)
        and not is_loopback(host.settings.ollama_bind)
        and host.settings.ollama_guard
    ]
    for gateway in d.fleet.gateways:
        if any(host.name != gateway.name for host in guarded) and not is_address(gateway.address):
            yield Problem(
                "inventory",
                gateway.name,
                f"{gateway.address!r} is no IP address, but the firewall rule that lets this "
                "gateway reach Ollama needs one",
                "give the host its IP address as 'address'",
            )


def versions(d: Declaration) -> Iterator[Problem]:
    """No Ollama has a hole that attackers are known to use."""
    for host in d.fleet.hosts:
        if is_engine(d.stack, host) and version_of(host) < OLDEST:
            yield Problem(
                "group_data",
                f"ollama_version (host {host.name})",
                f"{host.settings.ollama_version} has a hole that lets a model file run code "
                "(CVE-2026-7482)",
                "choose 0.32.10 or later",
            )


def warnings(d: Declaration) -> list[Problem]:
    """Warnings for versions that can skip a digest check."""
    return [
        Problem(
            "group_data",
            f"ollama_version (host {host.name})",
            f"{host.settings.ollama_version} can skip the digest check of what it pulls",
            "choose 0.32.10 or later",
        )
        for host in d.fleet.hosts
        if is_engine(d.stack, host) and OLDEST <= version_of(host) < CHECKS_DIGESTS
    ]


def version_of(host: Host) -> tuple[int, ...]:
    """The declared version of Ollama as numbers."""
    return version_numbers(host.settings.ollama_version)


def version_numbers(version: str) -> tuple[int, ...]:
    """Ollama's version as numbers; a build made by hand calls itself 0.0.0 and counts as new."""
    text = re.match(r"[\d.]+", version)
    numbers = tuple(int(part) for part in (text[0] if text else "").strip(".").split("."))
    return numbers if any(numbers) else (999,)


RULES: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    instance_names,
    models_directory,
    reachable_engines,
    guard,
    versions,
)
