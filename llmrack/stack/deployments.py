"""What follows for each model: who serves it where, and under which name a gateway asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.stack.engines import instance_name, instance_url, instances
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import (
    OllamaProvider,
    OpenAICompatibleProvider,
    Provider,
    Stack,
    VllmProvider,
)


@dataclass(frozen=True)
class Deployment:
    """A model on an instance (LiteLLM's word): one thing a gateway can send a request to.

    + model: the public name
    + upstream: the name by which the instance knows the model
    + instance: ``host`` or ``host/name`` for our own Ollama instances, the provider's name for
      others
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


def deployments(stack: Stack, fleet: Fleet, gateway: Host) -> list[Deployment]:
    """Everything ``gateway`` can send requests to, in the stack's and the inventory's order.

    Instances follow from the inventory: each host of a group that a provider names has one, or as
    many as its settings say.
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
        return [
            (instance_name(host, instance), instance_url(host, instance, gateway))
            for host in hosts
            for instance in instances(host)
        ]
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
