"""`llmrack plan`: what every host shall have."""

from __future__ import annotations

import click

from llmrack.commands.declared import declared as read_declared
from llmrack.commands.declared import inventory_option
from llmrack.components.plan import plan_text


@click.command()
@inventory_option
@click.option("--host", "only", metavar="HOST", help="Only this host.")
@click.option("--files", is_flag=True, help="Also print the files, with secrets left out.")
def plan(inventory: str, only: str | None, files: bool) -> None:
    """Print what every host shall have; touches no host."""
    declared = read_declared(inventory)
    names = [host.name for host in declared.fleet.hosts]
    if only and only not in names:
        raise click.ClickException(f"no host {only!r}; the inventory has {', '.join(names)}")
    for host in declared.fleet.hosts:
        if only in (None, host.name):
            click.echo(plan_text(declared, host, files))
