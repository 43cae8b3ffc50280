"""The deployments of each public name: where it is served, and how a gateway asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.instances import instance_name, instance_url
from llmrack.stack.kinds import kind_of
from llmrack.stack.providers import Provider
from llmrack.stack.schema import Stack

# Priorities are 1 to 10; a tier's members follow each other in steps of this.
_STEP = 100


@dataclass(frozen=True)
class Deployment:
    """A model on an instance (LiteLLM's word), which a gateway can send requests to.

    + name: the public name it stands under: the model's own, or a tier's or a mix's
    + model: the declared model
    + upstream: the name by which the instance knows the model
    + instance: ``host`` or ``host/name`` for an instance of our own, the provider's name for others
    + url: the instance's base address as this gateway reaches it
    + provider: the provider's name
    + litellm_model: model with LiteLLM's provider prefix
    + secret: name of the secret that is its key, or None
    + level: deployments of the lowest level serve; those of the next if none of these can
    + weight: share of the requests, relative to the others of the level
    """

    name: str
    model: str
    upstream: str
    instance: str
    url: str
    provider: str
    litellm_model: str
    secret: str | None
    level: int = 1
    weight: float = 1

    @property
    def prefix(self) -> str:
        """LiteLLM's prefix."""
        return self.litellm_model.partition("/")[0]

    @property
    def place(self) -> int:
        """Its model's place in a tier, from 0 on; 0 under any other name."""
        return (self.level - 1) // _STEP

    @property
    def id(self) -> str:
        """Unique in a gateway; LiteLLM returns it in ``x-litellm-model-id``."""
        plain = f"{self.instance}/{self.model}"
        return plain if self.name == self.model else f"{plain}@{self.name}"


def deployments(stack: Stack, fleet: Fleet, gateway: Host) -> list[Deployment]:
    """The deployments that ``gateway`` can ask, in the order of the stack and the inventory.

    Instances follow from the inventory: each host of a group that a provider names has one, or as
    many as its settings say. Aliases have no deployments of their own.
    """
    by_model = {name: list(_of_model(stack, name, fleet, gateway)) for name in stack.models}
    served = [deployment for group in by_model.values() for deployment in group]
    for tier, members in stack.tiers.items():
        for number, member in enumerate(members):
            served += [
                replace(deployment, name=tier, level=number * _STEP + deployment.level)
                for deployment in by_model[member]
            ]
    for mix, shares in stack.mixes.items():
        for member, share in shares.items():
            served += [
                replace(deployment, name=mix) for deployment in _shared(by_model[member], share)
            ]
    return served


def context_length(stack: Stack, fleet: Fleet, name: str) -> int | None:
    """Tokens of context that a model is served with; None if that is not declared."""
    model = stack.models[name]
    baked = model.context_length
    if model.create and not baked:
        baked = model.create.parameters.num_ctx
    lengths = []
    for at in stack.served_by(name):
        provider = stack.providers[at]
        if provider.runs_on is None:
            return None
        lengths += [
            baked or instance.context_length
            for host in fleet.hosts
            for instance in provider.instances(host)
        ]
    return min(lengths, default=None)


def _shared(group: list[Deployment], share: float) -> Iterator[Deployment]:
    """A model's deployments, with ``share`` divided among those of each level.

    Their levels begin at 1, whatever the priorities, so that a member of a mix has its share.
    """
    levels = sorted({deployment.level for deployment in group})
    for deployment in group:
        whole = sum(other.weight for other in group if other.level == deployment.level)
        yield replace(
            deployment,
            level=levels.index(deployment.level) + 1,
            weight=share * deployment.weight / whole,
        )


def _of_model(stack: Stack, name: str, fleet: Fleet, gateway: Host) -> Iterator[Deployment]:
    kind = kind_of(stack.models[name])
    seen: set[str] = set()
    for at in stack.served_by(name):
        provider = stack.providers[at]
        upstream = stack.upstream(name, at)
        for instance, base, level, weight in _instances(at, provider, fleet, gateway):
            # A host of two providers' groups has the model once.
            if instance in seen:
                continue
            seen.add(instance)
            # Only hosted_vllm asks {url}/rerank with nothing but the declared key; openai has no
            # rerank, and asks for the other kinds in OpenAI's form (read and seen with 1.106.12).
            form = ("hosted_vllm", base) if kind == "rerank" else provider.litellm(kind, base)
            prefix, url = form
            yield Deployment(
                name=name,
                model=name,
                upstream=upstream,
                instance=instance,
                url=url,
                provider=at,
                litellm_model=f"{prefix}/{upstream}",
                secret=provider.remote.api_key if provider.remote else None,
                level=level,
                weight=weight,
            )


def _instances(
    name: str, provider: Provider, fleet: Fleet, gateway: Host
) -> Iterator[tuple[str, str, int, float]]:
    """Name, address, priority and weight of each instance of a provider."""
    if provider.remote:
        yield name, provider.remote.base, provider.priority, provider.weight
        return
    # A gateway's own instance comes first: nothing is nearer.
    for host in sorted(fleet.hosts, key=lambda host: host.name != gateway.name):
        for instance in provider.instances(host):
            priority = instance.priority or provider.priority
            weight = instance.weight or provider.weight
            address = instance_url(host, instance, gateway)
            yield instance_name(host, instance), address, priority, weight
