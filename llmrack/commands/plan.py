"""`llmrack plan`: what every host shall have."""

from __future__ import annotations

import click

from llmrack.commands.declared import inventory_option, read_site
from llmrack.components.plan import plan_text


@click.command()
@inventory_option
@click.option("--host", "only", metavar="HOST", help="Only this host.")
@click.option("--files", is_flag=True, help="Also print the files, with secrets left out.")
def plan(inventory: str, only: str | None, files: bool) -> None:
    """Print what every host shall have; touches no host."""
    site = read_site(inventory)
    names = [host.name for host in site.fleet.hosts]
    if only and only not in names:
        raise click.ClickException(f"no host {only!r}; the inventory has {', '.join(names)}")
    for host in site.fleet.hosts:
        if only in (None, host.name):
            click.echo(plan_text(site, host, files))
