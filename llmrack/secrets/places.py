"""Where secrets may be kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

AGE = ".age"

MASTER_KEY = "LITELLM_MASTER_KEY"
"""The gateway's own key; it is generated if there is none."""


@dataclass(frozen=True)
class Places:
    """The files with keys.

    + env_file: lines NAME=value in clear, 0600
    + vault: llmrack's own if its name ends in .age, else a SOPS file
    """

    env_file: Path
    vault: Path

    @property
    def has_vault(self) -> bool:
        """Whether the vault exists."""
        return self.vault.exists()

    @property
    def is_sops(self) -> bool:
        """Whether the vault is a SOPS file, which llmrack only reads."""
        return self.vault.suffix != AGE

    @property
    def audit(self) -> Path:
        """The file that notes every operation on a key, beside the vault."""
        return self.vault.with_name(f"{self.vault.stem}.audit.jsonl")
