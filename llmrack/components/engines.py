"""The engines that llmrack installs: the one place that lists them."""

from __future__ import annotations

from collections.abc import Mapping

from llmrack.components.engine import Engine, ModelSeen
from llmrack.components.ollama.engine import Ollama
from llmrack.resources.look import Part, Seen
from llmrack.stack.engines import instances
from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance
from llmrack.stack.schema import Stack

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Ollama(),)}
# Models of all hosts lie in one kind of folder as long as there is one engine: they are copied,
# counted and kept by their place.
(_ONLY,) = ENGINES.values()


def engines_on(stack: Stack, host: Host) -> list[Engine]:
    """The engines that the providers of ``stack`` run on ``host``."""
    kinds = {
        provider.kind for provider in stack.providers.values() if provider.runs_on in host.groups
    }
    return [engine for name, engine in ENGINES.items() if name in kinds]


def engine_of(instance: Instance) -> Engine:
    """The engine of an instance."""
    return ENGINES[instance.engine]


def unit_of(instance: Instance) -> str:
    """The user unit of an instance."""
    return engine_of(instance).unit(instance.name)


def units(stack: Stack, host: Host) -> list[str]:
    """The user units of all instances of ``host``."""
    return [unit_of(instance) for instance in instances(stack, host)]


def architectures(host: Host) -> list[str]:
    """The architectures that every engine has a declared release for, sorted."""
    return sorted(
        set.intersection(*(set(engine.architectures(host)) for engine in ENGINES.values()))
    )


def models_folder(host: Host) -> str:
    """The models directory of ``host``."""
    return _ONLY.models_folder(host)


def models_part(folder: str) -> Part:
    """What the look asks about a models directory."""
    return _ONLY.models_part(folder)


def models_seen(seen: Seen) -> Mapping[str, ModelSeen]:
    """The models that a host was seen to have, by their full names."""
    return _ONLY.models_seen(seen)
