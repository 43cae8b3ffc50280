"""The engines that llmrack installs: the one place that lists them."""

from __future__ import annotations

from llmrack.components.engine import Engine
from llmrack.components.ollama.engine import Ollama
from llmrack.stack.engines import instances
from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance
from llmrack.stack.schema import Stack

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Ollama(),)}


def engines_on(stack: Stack, host: Host) -> list[Engine]:
    """Those that some provider of ``stack`` runs on ``host``."""
    kinds = {each.kind for each in stack.providers.values() if each.runs_on in host.groups}
    return [engine for name, engine in ENGINES.items() if name in kinds]


def engine_of(instance: Instance) -> Engine:
    """The engine that an instance is of."""
    return ENGINES[instance.engine]


def unit_of(instance: Instance) -> str:
    """The user unit of an instance."""
    return engine_of(instance).unit(instance.name)


def units(stack: Stack, host: Host) -> list[str]:
    """The user units of all instances of ``host``."""
    return [unit_of(each) for each in instances(stack, host)]


def architectures(host: Host) -> list[str]:
    """The architectures that every engine has a declared release for, sorted."""
    return sorted(set.intersection(*(set(each.architectures(host)) for each in ENGINES.values())))


def models_folder(host: Host) -> str:
    """The models directory of ``host``.

    There is one, as there is one engine: models are copied, counted and kept by its place.
    """
    (engine,) = ENGINES.values()
    return engine.models_folder(host)
