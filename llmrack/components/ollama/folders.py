"""Ollama's folders in the service user's home."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.stack.fleet import Host
from llmrack.stack.home import Home


@dataclass(frozen=True)
class OllamaHome(Home):
    """The service user's home, with Ollama's folders."""

    @property
    def releases(self) -> str:
        """Releases, and ``current``."""
        return f"{self.folder}/.local/opt/ollama"

    @property
    def data(self) -> str:
        """Ollama's data: a home for each instance, and the models unless they are elsewhere."""
        return f"{self.folder}/.ollama"

    @property
    def environments(self) -> str:
        """Environment files of the instances."""
        return f"{self.config}/ollama"

    @property
    def notes(self) -> str:
        """Notes of what models were made from."""
        return f"{self.config}/models"


def home_of(host: Host) -> OllamaHome:
    """The folders of the service user of ``host``."""
    return OllamaHome(host.home.user, host.home.folder)
