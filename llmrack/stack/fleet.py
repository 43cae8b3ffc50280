"""The hosts a stack is deployed to, and what follows for each model: who serves it where."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.stack.schema import (
    OllamaProvider,
    OpenAICompatibleProvider,
    Provider,
    Stack,
    VllmProvider,
)
from llmrack.stack.settings import Settings

GATEWAY_GROUP = "gateway"


@dataclass(frozen=True)
class Host:
    """A host of the inventory.

    + name: its name there
    + groups: the inventory groups it is in
    + address: where other hosts reach it (a name or an IP address)
    + settings: what is set for it
    """

    name: str
    groups: frozenset[str]
    address: str
    settings: Settings


@dataclass(frozen=True)
class Deployment:
    """A model on an instance (LiteLLM's word): one thing a gateway can send a request to.

    + model: the public name
    + upstream: the name by which the instance knows the model
    + instance: ``host`` for our own Ollama instances, the provider's name for others
    + url: the instance's base address as this gateway reaches it
    + provider: the provider's name
    + litellm_model: model with LiteLLM's provider prefix
    + secret: name of the secret that is its key, or None
    """

    model: str
    upstream: str
    instance: str
    url: str
    provider: str
    litellm_model: str
    secret: str | None

    @property
    def id(self) -> str:
        """Unique in a gateway; LiteLLM returns it in ``x-litellm-model-id``."""
        return f"{self.instance}/{self.model}"


@dataclass(frozen=True)
class Fleet:
    """All hosts of an inventory, in its order."""

    hosts: tuple[Host, ...]

    def group(self, name: str) -> tuple[Host, ...]:
        """The hosts of a group."""
        return tuple(host for host in self.hosts if name in host.groups)

    @property
    def groups(self) -> frozenset[str]:
        """Every group that has a host."""
        return frozenset().union(*(host.groups for host in self.hosts))

    @property
    def gateways(self) -> tuple[Host, ...]:
        """The hosts that run a gateway."""
        return self.group(GATEWAY_GROUP)


def engine_models(stack: Stack, host: Host) -> list[str]:
    """The upstream names of the models that Ollama on ``host`` must have, sorted."""
    return sorted(
        {
            stack.upstream(model)
            for name, provider in stack.providers.items()
            if isinstance(provider, OllamaProvider) and provider.group in host.groups
            for model in stack.models_of(name)
        }
    )


def is_engine(stack: Stack, host: Host) -> bool:
    """Whether some provider of ``stack`` runs Ollama on ``host``."""
    return any(
        isinstance(provider, OllamaProvider) and provider.group in host.groups
        for provider in stack.providers.values()
    )


def engine_url(host: Host, seen_from: Host) -> str:
    """Where ``seen_from`` reaches the Ollama instance of ``host``."""
    settings = host.settings
    own = host.name == seen_from.name
    address = _own_address(settings.ollama_bind) if own else host.address
    return f"http://{bracketed(address)}:{settings.ollama_port}"


def gateway_url(host: Host) -> str:
    """Where ``host`` itself reaches its gateway."""
    address = _own_address(host.settings.gateway_bind)
    return f"http://{bracketed(address)}:{host.settings.gateway_port}"


def bracketed(address: str) -> str:
    """An address as it stands before a port."""
    return f"[{address}]" if ":" in address else address


def _own_address(bind: str) -> str:
    """Where a host reaches its own server that is bound to ``bind``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104


def deployments(stack: Stack, fleet: Fleet, gateway: Host) -> list[Deployment]:
    """Everything ``gateway`` can send requests to, in the stack's and the inventory's order.

    Instances follow from the inventory: each host of a group that a provider names is one.
    """
    found = []
    for model, declared in stack.models.items():
        provider = stack.providers[declared.provider]
        upstream = stack.upstream(model)
        embedding = "embedding" in declared.capabilities
        for instance, base in _instances(declared.provider, provider, fleet, gateway):
            prefix, url = _asked(provider, base, embedding)
            found.append(
                Deployment(
                    model=model,
                    upstream=upstream,
                    instance=instance,
                    url=url,
                    provider=declared.provider,
                    litellm_model=f"{prefix}/{upstream}",
                    secret=None if isinstance(provider, OllamaProvider) else provider.api_key,
                )
            )
    return found


def _instances(name: str, provider: Provider, fleet: Fleet, gateway: Host) -> list[tuple[str, str]]:
    if isinstance(provider, OllamaProvider):
        # A gateway's own instance comes first: nothing is nearer.
        hosts = sorted(fleet.group(provider.group), key=lambda host: host.name != gateway.name)
        return [(host.name, engine_url(host, gateway)) for host in hosts]
    return [(name, provider.url)]


def _asked(provider: Provider, url: str, embedding: bool) -> tuple[str, str]:
    """LiteLLM's prefix for what the provider speaks, and the base address that goes with it.

    ``ollama_chat`` asks Ollama's own /api/chat. Ollama's embeddings are asked in OpenAI's form:
    LiteLLM's ``ollama/`` embeddings send no key and ignore the timeout (read in and seen with
    1.106.2).
    """
    if isinstance(provider, VllmProvider):
        return "hosted_vllm", url
    if isinstance(provider, OpenAICompatibleProvider):
        return "openai", url
    return ("openai", f"{url}/v1") if embedding else ("ollama_chat", url)
