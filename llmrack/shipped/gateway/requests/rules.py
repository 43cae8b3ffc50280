"""The rules in routing.json for requests to a deployment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The levels of thinking that most models with levels know.
USUAL_LEVELS = ("low", "medium", "high")


@dataclass(frozen=True)
class Rules:
    """The rules for one model at one provider.

    + engine: the server's form of requests: ollama, vllm, openai or litellm
    + outside: whether the provider is no Ollama of the inventory
    + capabilities: as declared; None for a wildcard, whose models are not known
    + levels: of thinking, from least to most; empty: thinking is only on or off
    + level: of requests without one; most: the highest that a request may have
    + next: whether a request that it refuses goes on to the next model
    + context_chain, content_chain: whether a chain is declared for prompts that are too long, or
      that are refused because of their content
    + defaults, drop, max_tokens, client_options, extra_body: as declared of the model
    """

    engine: str
    outside: bool
    capabilities: tuple[str, ...] | None
    levels: tuple[str, ...] = USUAL_LEVELS
    level: str | None = None
    most: str | None = None
    next: bool = False
    context_chain: bool = False
    content_chain: bool = False
    defaults: dict[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    max_tokens: int | None = None
    client_options: tuple[str, ...] = ()
    extra_body: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """``house`` or ``outside``, for clients and logs."""
        return "outside" if self.outside else "house"

    def can(self, capability: str) -> bool:
        """Whether the capability is declared, or the model's capabilities are not known."""
        return self.capabilities is None or capability in self.capabilities


def rules(entry: dict[str, Any]) -> Rules:
    """The rules of an entry in routing.json; its lists become tuples."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    return Rules(**fields)
