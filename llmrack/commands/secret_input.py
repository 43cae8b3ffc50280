"""Reading a secret's value, typed or piped in; never from an argument, which others can see."""

from __future__ import annotations

import sys

import click

from llmrack.secrets.value import Secret


def ask(name: str) -> Secret:
    """The value typed at the terminal without echo, or else all of standard input; may be empty."""
    if sys.stdin.isatty():
        return Secret(click.prompt(name, hide_input=True, err=True, default="", show_default=False))
    return Secret(sys.stdin.read().strip())
