"""Folders in the home of the service user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Home:
    """The folders of the service user ``user`` below ``folder``."""

    user: str
    folder: str

    @property
    def units(self) -> str:
        """Units of the user's systemd."""
        return f"{self.folder}/.config/systemd/user"

    @property
    def config(self) -> str:
        """llmrack's own files, such as environment files."""
        return f"{self.folder}/.config/llmrack"

    @property
    def proxy_login(self) -> str:
        """The file with the proxy's address and login, if it has one."""
        return f"{self.config}/proxy.env"

    @property
    def cache(self) -> str:
        """Downloads that are not unpacked yet."""
        return f"{self.folder}/.cache/llmrack"

    @property
    def gateway(self) -> str:
        """Releases of the gateway, ``blue``, ``green`` and ``current``."""
        return f"{self.folder}/.local/opt/llmrack-gateway"

    @property
    def requests(self) -> str:
        """The gateway's log of requests."""
        return f"{self.folder}/.local/state/llmrack/requests"
