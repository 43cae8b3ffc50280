"""Checks of Ollama's models on our own hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llmrack.problems import Problem
from llmrack.stack.checks.ollama_host_checks import version_of
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Host
from llmrack.stack.models import Model
from llmrack.stack.ollama.instances import instances
from llmrack.stack.ollama.names import normalised
from llmrack.stack.ollama.providers import OllamaProvider
from llmrack.stack.ollama_models import served, source_of
from llmrack.stack.types import is_wildcard

# host/namespace/model:tag, all but the model left out where Ollama knows a default (ollama/ollama
# types/model/name.go).
_OLLAMA_NAME = re.compile(r"(\w[\w.:-]*/)?(\w[\w-]*/)?\w[\w.-]{0,79}(:\w[\w.-]{0,79})?", re.ASCII)
# Ollama passes requests for such a name on to ollama.com (internal/modelref/modelref.go).
_CLOUD_NAME = re.compile(r".*:(cloud|[^:/]*-cloud)", re.IGNORECASE)
# The last one that takes LoRA adapters (errAdaptersUnsupported in server/create.go of v0.34.1).
_WITH_ADAPTERS = (0, 34, 0)
# Fields that only our own Ollama can carry out.
_ENGINE_FIELDS = ("create", "context_length", "preload", "gpu_split", "min_tokens_per_second")


def ours_alone(d: Declaration) -> Iterator[Problem]:
    """Fields for our own Ollama are declared only of models that run on it."""
    for name, model in d.stack.models.items():
        known = {at: d.stack.providers[at] for at in model.provider if at in d.stack.providers}
        if not known or any(isinstance(provider, OllamaProvider) for provider in known.values()):
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
    """Ollama accepts the names of its models, which become paths there."""
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
    """No model of ollama.com is declared for an Ollama that may not ask ollama.com."""
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
    """Whether any instance of ``host`` may not ask ollama.com; all serve the same models."""
    environments = [dict(instance.environment) for instance in instances(host)]
    # While a host's cards are not known, its instances are not known either.
    environments = environments or [host.settings.ollama_environment.variables()]
    return any(environment["OLLAMA_NO_CLOUD"] == "1" for environment in environments)


def created_models(d: Declaration) -> Iterator[Problem]:
    """Each model that is made has a unique name, and its bases do not lead back to it."""
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
        while (maker := made.get(trail[-1])) and maker.create and (base := source_of(maker.create)):
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


def pruning(d: Declaration) -> Iterator[Problem]:
    """An empty list of models does not remove all models from the hosts."""
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


def adapters(d: Declaration) -> Iterator[Problem]:
    """No adapter is declared for an Ollama that takes none."""
    for name, model in d.stack.models.items():
        if not (model.create and model.create.adapters):
            continue
        for host in d.fleet.hosts:
            if name in served(d.stack, host) and version_of(host) > _WITH_ADAPTERS:
                yield d.problem(
                    f"models.{name}.create.adapters",
                    f"Ollama {host.settings.ollama_version} on {host.name} takes no LoRA adapters, "
                    "the last that did is 0.34.0",
                    "merge it into the weights and declare those as 'gguf', or set ollama_version "
                    "to 0.34.0",
                    *("models", name, "create", "adapters"),
                )


RULES: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    ours_alone,
    names,
    cloud_names,
    created_models,
    pruning,
    adapters,
)
