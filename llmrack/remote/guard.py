"""Moved to ``llmrack.hosts.guard``."""

from llmrack.hosts.guard import install

__all__ = ["install"]
