"""`llmrack models …`: what providers have."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.table import Table
from rich.text import Text

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import could_not_ask
from llmrack.observe.providers.insertion import NoRoom
from llmrack.problems import DeclarationError
from llmrack.tables import printed

if TYPE_CHECKING:
    from llmrack.observe.providers.discovery import Found

NOT_WRITTEN = 1


@click.group()
def models() -> None:
    """What models providers have."""


@models.command()
@inventory_option
@click.argument("provider")
@click.option("--add", "names", multiple=True, metavar="NAME", help="Write it into the stack file.")
@click.option("--all", "everything", is_flag=True, help="Write all of them.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def discover(
    inventory: str, provider: str, names: tuple[str, ...], everything: bool, as_json: bool
) -> None:
    """List the models that PROVIDER has, asked from a gateway; write chosen ones into the stack.

    The stack file keeps its comments and its order, and stays as it is where the result would have
    mistakes. Exit code: 0 done, 1 something could not be written, 2 nobody could be asked.
    """
    if names and everything:
        raise click.UsageError("give --add NAME or --all, not both")
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.hosts.asking import NoProvider
    from llmrack.observe.providers.discovery import NotDiscovered, add, discover

    with could_not_ask(NoProvider, NotDiscovered):
        discovered = discover(inventory, Path.cwd(), provider)
    added = None
    if names or everything:
        try:
            added = add(discovered, None if everything else names)
        except (DeclarationError, NotDiscovered, NoRoom, OSError) as error:
            file = discovered.declaration.stack_file
            raise click.ClickException(f"{file} was not changed: {error}") from None
    if as_json:
        plain = {"provider": provider, "models": [asdict(model) for model in discovered.models]}
        click.echo(json.dumps(plain | (asdict(added) if added else {}), indent=2))
    elif added is None:
        click.echo(_table(discovered.models), nl=False)
    else:
        for name in added.names:
            click.echo(f"added {name}")
        for reason in added.left_out:
            click.echo(reason)
        if not added.names:
            click.echo(f"nothing to add: {discovered.declaration.stack_file} stays as it is")
    sys.exit(NOT_WRITTEN if added and names and added.left_out else 0)


def _table(models: tuple[Found, ...]) -> str:
    """A line for each model; 80 columns of plain text."""
    shown = Table(box=box.SIMPLE, pad_edge=False)
    shown.add_column("model", overflow="fold")
    shown.add_column("context", justify="right")
    shown.add_column("can")
    shown.add_column("declared as", overflow="fold")
    for model in models:
        length = "?" if model.context_length is None else str(model.context_length)
        can = "?" if model.capabilities is None else ", ".join(model.capabilities)
        shown.add_row(*map(Text, (model.name, length, can, model.declared or "")))
    return printed(shown)
