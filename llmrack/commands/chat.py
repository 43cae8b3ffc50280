"""`llmrack chat`: a test chat with any model, on any instance."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import could_not_ask
from llmrack.verify.results import Failed

if TYPE_CHECKING:
    from llmrack.observe.chat import Chat, Message

INTERRUPTED = 130


@click.command()
@inventory_option
@click.argument("model")
@click.option("--instance", metavar="NAME", help="This one, as status names it; no gateway.")
@click.option("--gateway", metavar="HOST", help="Through this gateway (default: the first).")
@click.option("--message", "-m", help="Say this; else what standard input says, or you.")
def chat(
    inventory: str, model: str, instance: str | None, gateway: str | None, message: str | None
) -> None:
    """Talk to MODEL, streamed, and see who answered, and how fast.

    Exit code: 0 answered, 1 not answered, 2 it could not be asked.
    """
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.hosts.connection import Unreached
    from llmrack.observe.chat import NoChat, open_chat

    leave_at_interrupt()
    with could_not_ask(NoChat, Unreached):
        converse(open_chat(inventory, Path.cwd(), model, instance, gateway), message)


def converse(talk: Chat, message: str | None) -> None:
    """Send a message, or else what standard input says, or what a person types.

    Raises ClickException if it is not answered.
    """
    try:
        if message is None and sys.stdin.isatty():
            _talk(talk)
        else:
            _say(talk, [{"role": "user", "content": message or sys.stdin.read()}])
    except Failed as error:
        raise click.ClickException(str(error)) from None


def leave_at_interrupt() -> None:
    """End at Ctrl-C; an exception would be raised in whichever greenlet runs at the time."""

    def leave(*_: object) -> None:
        click.echo(err=True)
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, leave)


def _talk(talk: Chat) -> None:
    """Send what a person types, line by line, until the end of input."""
    messages: list[Message] = []
    while True:
        try:
            line = input("> ")
        except EOFError:
            click.echo()
            return
        messages.append({"role": "user", "content": line})
        try:
            messages.append({"role": "assistant", "content": _say(talk, messages)})
        except Failed as error:
            click.echo(f"Error: {error}", err=True)
            messages.pop()


def _say(talk: Chat, messages: list[Message]) -> str:
    """Print an answer as it comes, then its figures; returns the answer. Raises Failed."""
    pieces: list[str] = []

    def tell(text: str) -> None:
        pieces.append(text)
        click.echo(text, nl=False)

    try:
        answered = talk(messages, tell)
    finally:
        # The next output begins on a line of its own.
        if pieces:
            click.echo()
    click.echo(str(answered), err=True)
    return "".join(pieces)
