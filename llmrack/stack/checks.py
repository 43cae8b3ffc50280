"""What cannot be seen in one field alone: names that dangle, cycles, addresses, known traps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from llmrack.problems import Problem, nearest
from llmrack.stack import engine_checks, host_checks
from llmrack.stack.declaration import Declaration
from llmrack.stack.schema import OllamaCloudProvider, OllamaProvider, OllamaRemoteProvider, Stack


def check(declaration: Declaration) -> list[Problem]:
    """All cross-checks; an empty list when the declaration holds together."""
    return sorted({problem for rule in _RULES for problem in rule(declaration)})


def _dangling_names(d: Declaration) -> Iterator[Problem]:
    stack = d.stack
    for name, model in stack.models.items():
        if model.provider not in stack.providers:
            yield d.problem(
                f"models.{name}.provider",
                f"there is no provider {model.provider!r}",
                nearest(model.provider, stack.providers),
                *("models", name, "provider"),
            )
    for head, chain in _chains(stack):
        for member in (head, *chain) if head else chain:
            if member not in stack.models:
                where = f"chains.{head}" if head else "default_chain"
                path = ("chains", head) if head else ("default_chain",)
                yield d.problem(
                    where,
                    f"no provider serves a model {member!r}",
                    nearest(member, stack.models),
                    *path,
                )


def _unused_providers(d: Declaration) -> Iterator[Problem]:
    for name, provider in d.stack.providers.items():
        # engine_checks.pruning has a word on those.
        pruning = isinstance(provider, OllamaProvider) and provider.prune
        if not d.stack.models_of(name) and not pruning:
            yield d.problem(
                f"providers.{name}", "serves no model", "declare one of its models or remove it"
            )


def _chain_members(d: Declaration) -> Iterator[Problem]:
    models = d.stack.models
    for head, chain in _chains(d.stack):
        where = f"chains.{head}" if head else "default_chain"
        path = ("chains", head) if head else ("default_chain",)
        for member in chain:
            if member not in models:
                continue
            if models[member].explicit_only:
                yield d.problem(
                    where,
                    f"{member!r} is explicit_only and may stand in no chain",
                    "take it out of the chain, or drop explicit_only from the model",
                    *path,
                )
            wanted = set(models[head].capabilities) if head in models else {"chat"}
            lacking = sorted(wanted - set(models[member].capabilities))
            if lacking:
                yield d.problem(
                    where,
                    f"{member!r} cannot stand in for {head or 'a chat model'!r}: "
                    f"it lacks {', '.join(lacking)}",
                    "choose another model, or declare the capability if it has it",
                    *path,
                )
        if len(set(chain)) < len(chain):
            yield d.problem(where, "names a model twice", "name each once", *path)


def _cycles(d: Declaration) -> Iterator[Problem]:
    chains = d.stack.chains

    def visit(name: str, trail: tuple[str, ...]) -> tuple[str, ...] | None:
        if name in trail:
            return (*trail[trail.index(name) :], name)
        for follower in chains.get(name, ()):
            if found := visit(follower, (*trail, name)):
                return found
        return None

    for head in chains:
        cycle = visit(head, ())
        if cycle and cycle[0] == head:
            yield d.problem(
                f"chains.{head}",
                f"goes round in a circle: {' -> '.join(cycle)}",
                "end one of these chains earlier",
                *("chains", head),
            )


def _secrets(d: Declaration) -> Iterator[Problem]:
    for name, provider in d.stack.providers.items():
        if isinstance(provider, OllamaProvider) or provider.api_key is None:
            continue
        if provider.api_key not in d.secrets:
            yield d.problem(
                f"providers.{name}.api_key",
                f"the secret {provider.api_key} is not set",
                f"put {provider.api_key}=... into {d.env_file} (see .env.example) "
                "or into the environment",
            )


def _traps(d: Declaration) -> Iterator[Problem]:
    """Mistakes that others made and that LiteLLM only shows as a 404 at run time."""
    for name, provider in d.stack.providers.items():
        if isinstance(provider, OllamaProvider):
            continue
        path = urlsplit(provider.url).path.rstrip("/")
        if isinstance(provider, OllamaCloudProvider | OllamaRemoteProvider):
            if path.endswith(("/api", "/v1")):
                ending = path[path.rindex("/") :]
                yield d.problem(
                    f"providers.{name}.url",
                    f"ends in {ending}, but /api/chat is appended to it "
                    f"(requests would go to {ending}/api/chat and find nothing)",
                    f"write {provider.url.removesuffix(ending)}",
                )
        elif not path.endswith("/v1"):
            base = provider.url.partition("/v1")[0]
            yield d.problem(
                f"providers.{name}.url",
                "does not end in /v1, but /chat/completions is appended to it",
                f"write {base}/v1",
            )
    for name, model in d.stack.models.items():
        upstream = model.model or ""
        cloud = isinstance(d.stack.providers.get(model.provider), OllamaCloudProvider)
        if cloud and upstream.endswith(("-cloud", ":cloud")):
            yield d.problem(
                f"models.{name}.model",
                f"ollama.com itself does not know {upstream!r}: the -cloud suffix belongs to names "
                "in a local Ollama",
                "leave the suffix off, or leave out 'model'",
                *("models", name, "model"),
            )


def _chains(stack: Stack) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from stack.chains.items()
    yield "", stack.default_chain


_RULES: tuple[Callable[[Declaration], Iterator[Problem]], ...] = (
    _dangling_names,
    _unused_providers,
    _chain_members,
    _cycles,
    host_checks.groups,
    host_checks.addresses,
    host_checks.reachable_engines,
    host_checks.guard,
    _secrets,
    _traps,
    host_checks.versions,
    host_checks.adapters,
    engine_checks.ours_alone,
    engine_checks.created_models,
    engine_checks.instance_names,
    engine_checks.models_directory,
    engine_checks.pruning,
)
