"""Where things lie in the service user's home."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Home:
    """The folders of the service user ``user`` below ``home``."""

    user: str
    home: str

    @property
    def units(self) -> str:
        """Its user units."""
        return f"{self.home}/.config/systemd/user"

    @property
    def config(self) -> str:
        """What llmrack keeps of its own: environment files."""
        return f"{self.home}/.config/llmrack"

    @property
    def cache(self) -> str:
        """Downloads on their way."""
        return f"{self.home}/.cache/llmrack"

    @property
    def gateway(self) -> str:
        """Releases of the gateway, ``blue``, ``green`` and ``current``."""
        return f"{self.home}/.local/opt/llmrack-gateway"

    @property
    def requests(self) -> str:
        """The gateway's log of requests."""
        return f"{self.home}/.local/state/llmrack/requests"
