"""Moved to ``llmrack.deploy.start``."""

from llmrack.deploy.start import rack

__all__ = ["rack"]
