"""Where secrets may be kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

AGE = ".age"

MASTER_KEY = "LITELLM_MASTER_KEY"
"""The gateway's own key; it is generated where nobody gives one."""


@dataclass(frozen=True)
class Places:
    """The files with keys.

    + env_file: lines NAME=value in clear, 0600
    + vault: llmrack's own where its name ends in .age; any other is a SOPS file
    """

    env_file: Path
    vault: Path

    @property
    def has_vault(self) -> bool:
        """Whether there is one."""
        return self.vault.exists()

    @property
    def is_sops(self) -> bool:
        """Whether SOPS keeps the vault; llmrack only reads it then."""
        return self.vault.suffix != AGE

    @property
    def audit(self) -> Path:
        """The file that notes every operation on a key, beside the vault."""
        return self.vault.with_name(f"{self.vault.stem}.audit.jsonl")
