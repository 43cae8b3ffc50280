"""Tests of llmrack. ``tests/unit`` has a module for each module of llmrack, in the same folders."""

from pathlib import Path

# The repository.
ROOT = Path(__file__).parents[1]
