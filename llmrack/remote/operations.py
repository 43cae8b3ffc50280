"""Moved to ``llmrack.deploy.operations``."""

from llmrack.deploy.operations import accept, apply

__all__ = ["accept", "apply"]
