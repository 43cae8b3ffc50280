"""Instances of engines on our own hosts, whatever engine it is."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.stack.fleet import Host, bracketed, own_address
from llmrack.stack.models import Create

# The instance of a host that has only one.
ONLY = "main"


@dataclass(frozen=True)
class Instance:
    """One running server of an engine, on a host of ours.

    + engine: the name of the engine that it is of (components/engines.py)
    + name: among the host's instances of that engine
    + bind: the address that it listens on
    + port: the port that it listens on
    + gpus: UUIDs of its cards; None for every card of the host, empty for none
    + environment: what its unit says on top of what all instances of the engine have
    + writer: whether it is the one that writes to the host's models directory
    + context_length: tokens of context of a model that does not say
    + parallel: requests that a model answers at once
    + priority: the host's own; None: its provider's
    + weight: the host's own; None: its provider's
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
    """How an instance is called in a gateway and in reports: ``box1``, or ``box1/NAME``."""
    return host.name if instance.name == ONLY else f"{host.name}/{instance.name}"


def instance_url(host: Host, instance: Instance, seen_from: Host) -> str:
    """Where ``seen_from`` reaches an instance of ``host``."""
    is_local = host.name == seen_from.name
    address = own_address(instance.bind) if is_local else host.address
    return f"http://{bracketed(address)}:{instance.port}"


def needs_gpu(host: Host, instance: Instance) -> bool:
    """Whether what ``instance`` serves must be on a GPU."""
    return host.settings.gpu_required and instance.gpus != ()


@dataclass(frozen=True)
class EngineModel:
    """A model that the instances of an engine on a host have.

    + name: the engine's full name for it
    + create: how it is made; None for one that is fetched
    + public: the models of the stack that it is served as; empty for a mere base of another
    """

    name: str
    create: Create | None
    public: tuple[str, ...]
