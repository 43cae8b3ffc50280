"""Moved to ``llmrack.deploy.removal``."""

from llmrack.deploy.removal import REMOVAL as Leaving

__all__ = ["Leaving"]
