"""The shape of ``stack.yaml``: providers, models, and the routes between them.

Unknown keys are refused, and every field carries a description and an example: they become the
JSON Schema that editors complete from (``llmrack schema``).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from llmrack.stack.keys import Key
from llmrack.stack.litellm import Sections
from llmrack.stack.models import Model, Strategy
from llmrack.stack.providers import Provider
from llmrack.stack.types import Closed, ModelName, Name, PublicName, is_wildcard

Chains = dict[PublicName, tuple[ModelName, ...]]
Weight = Annotated[float, Field(gt=0)]


class Stack(Closed):
    """What is served: a whole ``stack.yaml``."""

    providers: dict[Name, Provider] = Field(
        min_length=1, description="Where models run, by a name of your choice."
    )
    models: dict[PublicName, Model] = Field(description="What clients can ask for, by public name.")
    strategy: Strategy = Field(
        "weighted",
        description="Who of a model's instances answers: each in its share (weighted), in turn "
        "(round-robin), the one with the fewest requests (least-busy), or the one that took "
        "least time per token of late (latency).",
        examples=["least-busy"],
    )
    chains: Chains = Field(
        default_factory=dict,
        description="For a model, the models that are tried in turn when it fails.",
        examples=[{"llama3.1:latest": ["gpt-oss:120b-cloud"]}],
    )
    default_chain: tuple[ModelName, ...] = Field(
        (),
        description="The chain of every chat model that has none of its own.",
        examples=[["gpt-oss:120b-cloud"]],
    )
    context_window_chains: Chains = Field(
        default_factory=dict,
        description="For a model, those that are tried in turn when a prompt is too long for it.",
        examples=[{"llama3.1:latest": ["kimi-k2.6:cloud"]}],
    )
    content_policy_chains: Chains = Field(
        default_factory=dict,
        description="For a model, those that are tried in turn when its provider refuses a prompt "
        "for what it says.",
        examples=[{"gpt-4o": ["llama3.1:latest"]}],
    )
    tiers: dict[ModelName, tuple[ModelName, ...]] = Field(
        default_factory=dict,
        description="More names that clients can ask for, each an ordered choice of models.",
        examples=[{"eco": ["llama3.2:1b", "gpt-oss:20b-cloud"]}],
    )
    mixes: dict[ModelName, dict[ModelName, Weight]] = Field(
        default_factory=dict,
        description="More names that clients can ask for, each shared among models by weight.",
        examples=[{"assistant": {"llama3.2": 80, "gpt-oss:20b-cloud": 20}}],
    )
    aliases: dict[PublicName, ModelName] = Field(
        default_factory=dict,
        description="More names for models; one that ends in * stands for every name that begins "
        "so and that nobody else has.",
        examples=[{"gpt-4o-mini": "llama3.2", "claude-*": "llama3.2"}],
    )
    keys: dict[Name, Key] = Field(
        default_factory=dict,
        description="Clients' own keys for the gateway, by a name of your choice.",
        examples=[{"alice": {"models": ["llama3.1:latest"], "rpm": 60}}],
    )
    litellm: Sections = Field(
        default_factory=dict,
        description="LiteLLM's own settings, by the sections of its config.yaml; they are added to "
        "those of llmrack (docs/litellm-settings.md).",
        examples=[{"litellm_settings": {"callbacks": ["langfuse_otel"]}}],
    )

    def upstream(self, name: str, provider: str) -> str:
        """The name by which ``provider`` knows model ``name``."""
        return self.providers[provider].upstream(name, self.models[name])

    def chain(self, name: str) -> tuple[str, ...]:
        """The models tried in turn after a public name: its own chain, or else the default one."""
        if name in self.aliases:
            return self.chain(self.aliases[name])
        if name in self.chains:
            return self._served(self.chains[name])
        # A tier has its own order. LiteLLM looks chains up by the name of the request, so it finds
        # none for a wildcard.
        if name in self.tiers or is_wildcard(name) or not self._takes_default(name):
            return ()
        members = self.members(name)
        return self._served(tuple(other for other in self.default_chain if other not in members))

    def special_chain(self, chains: Chains, name: str) -> tuple[str, ...]:
        """The models of ``name`` in ``context_window_chains`` or ``content_policy_chains``."""
        return self._served(chains.get(self.aliases.get(name, name), ()))

    def served_by(self, name: str) -> tuple[str, ...]:
        """The providers that gateways ask for model ``name``."""
        return tuple(at for at in self.models[name].provider if self.providers[at].enabled)

    def models_of(self, provider: str) -> list[str]:
        """Public names of the models that run at ``provider``, in the order declared."""
        return [name for name, model in self.models.items() if provider in model.provider]

    def meant(self, name: str) -> str:
        """The name that ``name`` is an alias of, or else itself."""
        if name in self.aliases or name in self.models:
            return self.aliases.get(name, name)
        many = [
            alias for alias in self.aliases if is_wildcard(alias) and name.startswith(alias[:-1])
        ]
        return self.aliases[max(many, key=len)] if many else name

    def members(self, name: str) -> tuple[str, ...]:
        """The models behind a public name; for a model, the model itself."""
        if name in self.aliases:
            return (self.aliases[name],)
        return tuple(self.tiers.get(name) or self.mixes.get(name) or (name,))

    @property
    def names(self) -> tuple[str, ...]:
        """Every public name that some enabled provider serves."""
        every = (*self.models, *self.tiers, *self.mixes, *self.aliases)
        return tuple(name for name in every if self._served(self.members(name)))

    @property
    def listed(self) -> tuple[str, ...]:
        """The names that gateways list; an alias that ends in * is no name itself."""
        return tuple(n for n in self.names if not (n in self.aliases and is_wildcard(n)))

    def _served(self, models: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in models if self.served_by(name))

    def _takes_default(self, name: str) -> bool:
        return all(
            not model.explicit_only and "chat" in model.capabilities
            for model in map(self.models.__getitem__, self.members(name))
        )
