"""Where Ollama's things lie in the service user's home."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.components.paths import Home


@dataclass(frozen=True)
class OllamaHome(Home):
    """The service user's home, with Ollama's folders."""

    @property
    def releases(self) -> str:
        """Releases, and ``current``."""
        return f"{self.home}/.local/opt/ollama"

    @property
    def data(self) -> str:
        """What Ollama writes: a home an instance, and the models unless they are elsewhere."""
        return f"{self.home}/.ollama"

    @property
    def environments(self) -> str:
        """Environment files of the instances."""
        return f"{self.config}/ollama"

    @property
    def notes(self) -> str:
        """What models were made from."""
        return f"{self.config}/models"
