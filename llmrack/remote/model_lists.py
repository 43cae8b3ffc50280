"""Moved to ``llmrack.deploy.before.listed_models``."""

from llmrack.deploy.before.listed_models import insist_on_listed_models

__all__ = ["insist_on_listed_models"]
