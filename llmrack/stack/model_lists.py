"""The models that a provider itself says it has, against those that are declared of it."""

from __future__ import annotations

from collections.abc import Iterator

from llmrack.problems import Problem, nearest
from llmrack.stack.declaration import Declaration
from llmrack.stack.providers import (
    OllamaCloudProvider,
    OllamaProvider,
    OllamaRemoteProvider,
    OpenAICompatibleProvider,
    RemoteProvider,
)
from llmrack.stack.schema import Stack, is_wildcard, normalised

# More names than these are no help in a message.
FEW = 12


def with_lists(stack: Stack) -> dict[str, RemoteProvider]:
    """The providers in use, but for our own hosts, of which models are declared by name."""
    return {
        name: provider
        for name, provider in stack.providers.items()
        if provider.enabled
        and not isinstance(provider, OllamaProvider)
        and any(not is_wildcard(model) for model in stack.models_of(name))
    }


def list_url(provider: RemoteProvider) -> str:
    """Where a provider lists its models."""
    if isinstance(provider, OllamaCloudProvider):
        return f"{provider.url}/api/tags"
    if isinstance(provider, OllamaRemoteProvider):
        return provider.url + provider.paths.models
    return f"{provider.url}/models"


def listed(answer: object) -> set[str] | None:
    """The names in Ollama's form or in OpenAI's; None where it is neither.

    Sources: ollama/ollama docs/api.md (GET /api/tags), OpenAI's API reference (GET /v1/models).
    """
    for form, key in (("models", "name"), ("data", "id")):
        entries = answer.get(form) if isinstance(answer, dict) else None
        if isinstance(entries, list):
            return {str(each[key]) for each in entries if isinstance(each, dict) and key in each}
    return None


def not_listed(
    declaration: Declaration, name: str, names: set[str], asked_from: str
) -> Iterator[Problem]:
    """The models that provider ``name`` is declared to run, and does not list.

    + names: those that it lists
    + asked_from: the host that asked
    """
    stack, provider = declaration.stack, with_lists(declaration.stack)[name]
    # What ":latest" stands for is known of Ollama alone. Google's service lists what it calls
    # gemini-x as models/gemini-x.
    by_openai = isinstance(provider, OpenAICompatibleProvider)
    known = {each.removeprefix("models/") for each in names} if by_openai else names
    ollama = isinstance(provider, OllamaCloudProvider | OllamaRemoteProvider)
    full = {normalised(each) for each in known} if ollama else known
    for model in stack.models_of(name):
        upstream = stack.upstream(model, name)
        if is_wildcard(model) or (normalised(upstream) if ollama else upstream) in full:
            continue
        way_out = nearest(upstream, known) if known else "it lists none: get it there first"
        if not way_out.startswith("did you mean") and len(known) > FEW:
            way_out = f"choose one of the {len(known)} that it lists"
        if by_openai:
            way_out += " (what it serves and does not list can be declared by a wildcard)"
        yield declaration.problem(
            f"models.{model}",
            f"provider {name!r} does not list a model {upstream!r} "
            f"({list_url(provider)}, asked from {asked_from})",
            way_out,
            "models",
            model,
        )
