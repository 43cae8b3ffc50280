"""What routing.json says of requests to a deployment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What asks how hard a model can think, where it is asked by levels at all.
USUAL_LEVELS = ("low", "medium", "high")


@dataclass(frozen=True)
class Rules:
    """Of one model at one provider.

    + engine: whose form it takes: ollama, vllm or openai
    + outside: whether it runs outside the house: at a provider that is no Ollama of the inventory
    + capabilities: as declared; None for a wildcard, of which nobody knows them
    + levels: of thinking, from least to most; none: it thinks, or it does not
    + level: of requests that do not say; most: no request has more
    + next: whether a request that it refuses goes on to the next model
    + context_chain, content_chain: whether a chain is declared for prompts that are too long, or
      that are refused for what they say
    + defaults, drop, max_tokens, client_options: as declared of the model
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

    @property
    def place(self) -> str:
        """Where it runs, in a word for clients and logs."""
        return "outside" if self.outside else "house"

    def can(self, capability: str) -> bool:
        """Whether it is declared, or nobody knows."""
        return self.capabilities is None or capability in self.capabilities


def rules(entry: dict[str, Any]) -> Rules:
    """Those of an entry in routing.json: lists become tuples."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()
    }
    return Rules(**fields)
