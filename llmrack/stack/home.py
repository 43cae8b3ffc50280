"""Where things lie in the home of the service user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Home:
    """The folders of the service user ``user`` below ``folder``."""

    user: str
    folder: str

    @property
    def units(self) -> str:
        """Units of its systemd."""
        return f"{self.folder}/.config/systemd/user"

    @property
    def config(self) -> str:
        """What llmrack keeps of its own: environment files."""
        return f"{self.folder}/.config/llmrack"

    @property
    def cache(self) -> str:
        """Downloads on their way."""
        return f"{self.folder}/.cache/llmrack"

    @property
    def ollama(self) -> str:
        """Releases of Ollama, and ``current``."""
        return f"{self.folder}/.local/opt/ollama"

    @property
    def ollama_data(self) -> str:
        """What Ollama writes: a home an instance, and the models unless they are elsewhere."""
        return f"{self.folder}/.ollama"

    @property
    def instances(self) -> str:
        """Environment files of Ollama's instances."""
        return f"{self.config}/ollama"

    @property
    def notes(self) -> str:
        """What models were made from."""
        return f"{self.config}/models"

    @property
    def gateway(self) -> str:
        """Releases of the gateway, ``blue``, ``green`` and ``current``."""
        return f"{self.folder}/.local/opt/llmrack-gateway"

    @property
    def requests(self) -> str:
        """The gateway's log of requests."""
        return f"{self.folder}/.local/state/llmrack/requests"
