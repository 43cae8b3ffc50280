"""A model in an Ollama instance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llmrack.resources.change import Change, Pull
from llmrack.resources.look import Look, Seen


def normalised(name: str) -> str:
    """A model's full local name: ``gemma3`` means ``gemma3:latest``."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


@dataclass(frozen=True)
class OllamaModel:
    """A model that the instance at ``url`` (as its own host reaches it) has.

    + stall: seconds a pull may go without progress
    """

    model: str
    url: str
    stall: float

    @property
    def name(self) -> str:
        """As in ``OllamaModel llama3.1:8b``."""
        return f"OllamaModel {self.model}"

    def look(self, look: Look) -> None:
        """The instance's list of models."""
        look.urls["tags"] = f"{self.url}/api/tags"

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Pull it when it is not in the list."""
        tags = seen.answers.get("tags") or {}
        there = {str(model.get("name")) for model in tags.get("models") or ()}
        if normalised(self.model) in there:
            return None
        return Change(self.name, "missing", (Pull(self.model, self.url, self.stall),))
