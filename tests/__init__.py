"""Tests of llmrack. ``tests/unit`` has a module for each module of llmrack, in the same folders."""

from pathlib import Path

# The repository.
ROOT = Path(__file__).parents[1]

# Seconds after which what must happen is given up on, however busy the machine is. Nothing waits
# that long but a test that fails.
DEADLINE = 120

# The same for a command on hosts, of which some fetch what no cache has.
COMMAND_DEADLINE = 1200
