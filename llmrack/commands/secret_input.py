"""A secret's value as it is typed or piped in: never from an argument, which others can see."""

from __future__ import annotations

import sys

import click

from llmrack.secrets.value import Secret


def ask(name: str) -> Secret:
    """The value from the terminal, unseen, or else all of standard input; perhaps empty."""
    if sys.stdin.isatty():
        return Secret(click.prompt(name, hide_input=True, err=True, default="", show_default=False))
    return Secret(sys.stdin.read().strip())
