"""Instances of engines on our own hosts; the same for all engines."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.stack.fleet import Host, bracketed, own_address
from llmrack.stack.models import Create

# The instance of a host that has only one.
ONLY = "main"


@dataclass(frozen=True)
class Instance:
    """One running server of an engine, on a host of ours.

    + engine: the name of its engine (components/engines.py)
    + name: unique among the host's instances of that engine
    + bind: the address that it listens on
    + port: the port that it listens on
    + gpus: UUIDs of its cards; None for every card of the host, empty for none
    + environment: variables of its unit, beside those that all instances of the engine have
    + writer: whether it is the one that writes to the host's models directory
    + context_length: tokens of context of a model that does not declare its own
    + parallel: requests that a model answers at once
    + priority: as the host's settings say; None: the provider's
    + weight: as the host's settings say; None: the provider's
    """

    engine: str
    name: str
    bind: str
    port: int
    gpus: tuple[str, ...] | None
    environment: tuple[tuple[str, str], ...]
    writer: bool
    context_length: int
    parallel: int
    priority: int | None
    weight: float | None


def instance_name(host: Host, instance: Instance) -> str:
    """The name of an instance in gateways and reports: ``box1``, or ``box1/NAME``."""
    return host.name if instance.name == ONLY else f"{host.name}/{instance.name}"


def instance_url(host: Host, instance: Instance, seen_from: Host) -> str:
    """Where ``seen_from`` reaches an instance of ``host``."""
    is_local = host.name == seen_from.name
    address = own_address(instance.bind) if is_local else host.address
    return f"http://{bracketed(address)}:{instance.port}"


def needs_gpu(host: Host, instance: Instance) -> bool:
    """Whether the models that ``instance`` serves must be on a GPU."""
    return host.settings.gpu_required and instance.gpus != ()


@dataclass(frozen=True)
class EngineModel:
    """A model that the instances of an engine on a host have.

    + name: the engine's full name for it
    + create: how it is made; None if it is pulled
    + public: the models of the stack that it serves; empty if it is only a base of another model
    """

    name: str
    create: Create | None
    public: tuple[str, ...]
