"""Moved to ``llmrack.deploy.proof.operation``."""

from llmrack.deploy.proof.operation import prove

__all__ = ["prove"]
