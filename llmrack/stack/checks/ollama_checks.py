"""What can be wrong with Ollama's instances and models on our own hosts."""

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
from llmrack.stack.models import Model
from llmrack.stack.ollama.instances import (
    SELECTORS,
    VULKAN_SELECTOR,
    instances,
    models_folder,
)
from llmrack.stack.ollama.names import normalised
from llmrack.stack.ollama.providers import OllamaProvider
from llmrack.stack.ollama_models import served, source_of
from llmrack.stack.settings import DeclaredInstance, is_loopback
from llmrack.stack.types import is_wildcard

# host/namespace/model:tag, all but the model left out where Ollama knows a default (ollama/ollama
# types/model/name.go).
_OLLAMA_NAME = re.compile(r"(\w[\w.:-]*/)?(\w[\w-]*/)?\w[\w.-]{0,79}(:\w[\w.-]{0,79})?", re.ASCII)
# Ollama passes requests for such a name on to ollama.com (internal/modelref/modelref.go).
_CLOUD_NAME = re.compile(r".*:(cloud|[^:/]*-cloud)", re.IGNORECASE)
# Below it: CVE-2026-7482 (remote code execution while a model is loaded).
OLDEST = (0, 17, 1)
CHECKS_DIGESTS = (0, 32, 10)
# The last one that takes LoRA adapters (errAdaptersUnsupported in server/create.go of v0.34.1).
_WITH_ADAPTERS = (0, 34, 0)
# What only an Ollama of ours can be told.
_ENGINE_FIELDS = ("create", "context_length", "preload", "gpu_split", "min_tokens_per_second")


def ours_alone(d: Declaration) -> Iterator[Problem]:
    """What is declared of a model can be done where it runs."""
    for name, model in d.stack.models.items():
        known = {at: d.stack.providers[at] for at in model.provider if at in d.stack.providers}
        if not known or any(isinstance(each, OllamaProvider) for each in known.values()):
            continue
        first, provider = next(iter(known.items()))
        for field in _ENGINE_FIELDS:
            if field in model.model_fields_set:
                yield d.problem(
                    f"models.{name}.{field}",
                    f"{first!r} is of kind {provider.kind}, whose models are not ours "
                    "to make or to load",
                    f"leave {field} out, or choose a provider of kind ollama",
                    *("models", name, field),
                )


def names(d: Declaration) -> Iterator[Problem]:
    """Ollama can have a model of each name that it is to have; names become paths there."""
    for name, model in d.stack.models.items():
        for at in model.provider:
            if is_wildcard(name) or not isinstance(d.stack.providers.get(at), OllamaProvider):
                continue
            source = source_of(model.create) if model.create else None
            for wanted in (d.stack.upstream(name, at), source):
                if wanted and not _OLLAMA_NAME.fullmatch(wanted):
                    yield d.problem(
                        f"models.{name}",
                        "Ollama cannot name a model like this",
                        "write it as name, name:tag or namespace/name:tag",
                        *("models", name),
                    )


def cloud_names(d: Declaration) -> Iterator[Problem]:
    """No model that runs at ollama.com is declared for an Ollama that is kept from it."""
    for name, model in d.stack.models.items():
        for at in model.provider:
            provider = d.stack.providers.get(at)
            if not isinstance(provider, OllamaProvider):
                continue
            upstream = d.stack.upstream(name, at)
            for host in d.fleet.hosts:
                asked = provider.group in host.groups and _CLOUD_NAME.fullmatch(upstream)
                if asked and _is_kept_from_cloud(host):
                    yield d.problem(
                        f"models.{name}",
                        f"Ollama on {host.name} would ask ollama.com for {upstream!r}, and "
                        "OLLAMA_NO_CLOUD keeps it from that",
                        "choose a provider of kind ollama-cloud, or set OLLAMA_NO_CLOUD to False "
                        "in ollama_environment",
                        *("models", name),
                    )


def _is_kept_from_cloud(host: Host) -> bool:
    """Whether an instance of ``host`` is; all of them serve the same models."""
    environments = [dict(instance.environment) for instance in instances(host)]
    # While a host's cards are not known, neither are its instances.
    environments = environments or [host.settings.ollama_environment.variables()]
    return any(environment["OLLAMA_NO_CLOUD"] == "1" for environment in environments)


def created_models(d: Declaration) -> Iterator[Problem]:
    """Each model that is made has a name of its own, and comes to an end in its bases."""
    made = {normalised(name): model for name, model in _created(d)}
    for name, model in _created(d):
        path = ("models", name, "create")
        if model.model:
            yield d.problem(
                f"models.{name}.model",
                "a model that is made has its public name on the hosts, too",
                "leave 'model' out",
                *("models", name, "model"),
            )
        same = [other for other, _ in _created(d) if normalised(other) == normalised(name)]
        if same[0] != name:
            yield d.problem(f"models.{name}", f"is {same[0]!r} to Ollama", "declare it once", *path)
        if model.create and model.create.parameters.num_ctx and model.context_length:
            yield d.problem(
                f"models.{name}.create.parameters.num_ctx",
                "is said by context_length already",
                "keep context_length alone",
                *path,
            )
        if model.create and model.create.copy_of and model.context_length:
            yield d.problem(
                f"models.{name}.context_length",
                "a copy is the same model, so it has the context of the other one",
                "use 'from' instead of 'copy'",
                *("models", name, "context_length"),
            )
        trail = [normalised(name)]
        while (here := made.get(trail[-1])) and here.create and (base := source_of(here.create)):
            if base in trail:
                yield d.problem(
                    f"models.{name}.create",
                    f"goes round in a circle: {' from '.join([*trail, base])}",
                    "name a model that is pulled, or a file",
                    *path,
                )
                break
            trail.append(base)


def _created(d: Declaration) -> list[tuple[str, Model]]:
    return [(name, model) for name, model in d.stack.models.items() if model.create]


def instance_names(d: Declaration) -> Iterator[Problem]:
    """Instances differ in name and cards, and their cards are chosen in one place."""
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
    names = Counter(each.name for each in declared)
    cards = Counter(uuid for each in declared for uuid in each.gpus)
    for what, counted in (("the name", names), ("the card", cards)):
        for value, times in counted.items():
            if times > 1:
                yield Problem(
                    "group_data", where, f"{what} {value} stands there twice", "give it to one"
                )


def models_directory(d: Declaration) -> Iterator[Problem]:
    """A mount that is declared holds the models."""
    for host in d.fleet.hosts:
        mount = host.settings.ollama_models_mount
        folder = models_folder(host.settings)
        if mount and PurePosixPath(mount) not in [PurePosixPath(folder), *_parents(folder)]:
            yield Problem(
                "group_data",
                f"ollama_models_mount (host {host.name})",
                f"{mount} does not hold the models directory {folder}",
                f"set ollama_models to a folder below {mount}",
            )


def _parents(folder: str) -> tuple[PurePosixPath, ...]:
    return tuple(PurePosixPath(folder).parents)


def pruning(d: Declaration) -> Iterator[Problem]:
    """Nobody loses all models by an empty list."""
    for name, provider in d.stack.providers.items():
        if not isinstance(provider, OllamaProvider) or d.stack.models_of(name):
            continue
        if provider.prune is True:
            yield d.problem(
                f"providers.{name}.prune",
                "no model is declared, so every model would be removed from its hosts",
                "declare models, or write prune: everything if that is what you want",
                *("providers", name, "prune"),
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
    """The firewall rule is made of addresses: a name could change under it."""
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
    """No Ollama with a hole that is known to be used."""
    for host in d.fleet.hosts:
        if is_engine(d.stack, host) and _version(host) < OLDEST:
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
            if name in served(d.stack, host) and _version(host) > _WITH_ADAPTERS:
                yield d.problem(
                    f"models.{name}.create.adapters",
                    f"Ollama {host.settings.ollama_version} on {host.name} takes no LoRA adapters, "
                    "the last that did is 0.34.0",
                    "merge it into the weights and declare those as 'gguf', or set ollama_version "
                    "to 0.34.0",
                    *("models", name, "create", "adapters"),
                )


def warnings(d: Declaration) -> list[Problem]:
    """What is not wrong but should be known before a deploy."""
    return [
        Problem(
            "group_data",
            f"ollama_version (host {host.name})",
            f"{host.settings.ollama_version} can skip the digest check of what it pulls",
            "choose 0.32.10 or later",
        )
        for host in d.fleet.hosts
        if is_engine(d.stack, host) and OLDEST <= _version(host) < CHECKS_DIGESTS
    ]


def _version(host: Host) -> tuple[int, ...]:
    return version_numbers(host.settings.ollama_version)


def version_numbers(version: str) -> tuple[int, ...]:
    """Ollama's version as numbers; a build made by hand calls itself 0.0.0 and is taken as new."""
    text = re.match(r"[\d.]+", version)
    numbers = tuple(int(part) for part in (text[0] if text else "").strip(".").split("."))
    return numbers if any(numbers) else (999,)


RULES: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    ours_alone,
    names,
    cloud_names,
    created_models,
    instance_names,
    models_directory,
    pruning,
    reachable_engines,
    guard,
    versions,
    adapters,
)
