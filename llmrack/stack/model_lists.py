"""The models that a provider itself says it has, against those that are declared of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from llmrack.problems import Problem, nearest
from llmrack.stack.declaration import Declaration
from llmrack.stack.engines import instance_name, instance_url, instances
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.providers import (
    OllamaCloudProvider,
    OllamaProvider,
    OllamaRemoteProvider,
    OpenAICompatibleProvider,
    Provider,
    RemoteProvider,
)
from llmrack.stack.schema import Stack, is_wildcard, normalised

# More names than these are no help in a message.
FEW = 12
# Where Ollama lists its models (ollama/ollama docs/api.md).
TAGS = "/api/tags"


@dataclass(frozen=True)
class Server:
    """One server that is asked for its models.

    + provider: the provider's name
    + declared: what is declared of it
    + instance: ``host`` or ``host/name`` for our own Ollama instances, the provider's name for
      others
    + list_url: where it lists its models
    """

    provider: str
    declared: Provider
    instance: str
    list_url: str

    @property
    def is_ollama(self) -> bool:
        """Whether names of its models follow Ollama's rules."""
        return isinstance(
            self.declared, OllamaProvider | OllamaCloudProvider | OllamaRemoteProvider
        )

    @property
    def secret(self) -> str | None:
        """Name of the secret that it is shown; the first one where there are several."""
        if isinstance(self.declared, OllamaProvider):
            return None
        return next(iter(self.declared.secrets), None)

    @property
    def chat_url(self) -> str:
        """Where it takes chats."""
        if isinstance(self.declared, OllamaProvider):
            return self.list_url.removesuffix(TAGS) + "/api/chat"
        if isinstance(self.declared, OllamaCloudProvider):
            return f"{self.declared.url}/v1/chat/completions"
        if isinstance(self.declared, OllamaRemoteProvider):
            return self.declared.url + self.declared.paths.chat
        return f"{self.declared.url}/chat/completions"


def servers(stack: Stack, fleet: Fleet, gateway: Host, name: str) -> list[Server]:
    """The servers of provider ``name``, as ``gateway`` reaches them."""
    provider = stack.providers[name]
    if not isinstance(provider, OllamaProvider):
        return [Server(name, provider, name, list_url(provider))]
    return [
        Server(
            name,
            provider,
            instance_name(host, instance),
            instance_url(host, instance, gateway) + TAGS,
        )
        for host in fleet.group(provider.group)
        for instance in instances(host)
    ]


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
        return f"{provider.url}{TAGS}"
    if isinstance(provider, OllamaRemoteProvider):
        return provider.url + provider.paths.models
    return f"{provider.url}/models"


def listed(answer: object) -> dict[str, dict[str, Any]] | None:
    """What a list in Ollama's form or in OpenAI's says of each model, by its name.

    None where it is neither. Sources: ollama/ollama docs/api.md (GET /api/tags), OpenAI's API
    reference (GET /v1/models).
    """
    for form, key in (("models", "name"), ("data", "id")):
        entries = answer.get(form) if isinstance(answer, dict) else None
        if isinstance(entries, list):
            return {
                str(each[key]): each for each in entries if isinstance(each, dict) and key in each
            }
    return None


def not_listed(
    declaration: Declaration, server: Server, names: Collection[str], asked_from: str
) -> Iterator[Problem]:
    """The models that a server is declared to run, and does not list.

    + names: those that it lists
    + asked_from: the host that asked
    """
    stack, provider = declaration.stack, server.provider
    # What ":latest" stands for is known of Ollama alone. Google's service lists what it calls
    # gemini-x as models/gemini-x.
    by_openai = isinstance(server.declared, OpenAICompatibleProvider)
    known = {each.removeprefix("models/") for each in names} if by_openai else set(names)
    ollama = server.is_ollama
    full = {normalised(each) for each in known} if ollama else known
    for model in stack.models_of(provider):
        upstream = stack.upstream(model, provider)
        if is_wildcard(model) or (normalised(upstream) if ollama else upstream) in full:
            continue
        way_out = nearest(upstream, known) if known else "it lists none: get it there first"
        if not way_out.startswith("did you mean") and len(known) > FEW:
            way_out = f"choose one of the {len(known)} that it lists"
        if isinstance(server.declared, OllamaProvider):
            way_out = "deploy: that gets it there"
        if by_openai:
            way_out += " (what it serves and does not list can be declared by a wildcard)"
        yield declaration.problem(
            f"models.{model}",
            f"provider {provider!r} does not list a model {upstream!r} "
            f"({server.list_url}, asked from {asked_from})",
            way_out,
            "models",
            model,
        )
