"""`llmrack secrets list`: every provider with its keys, masked, their tests and its health."""

from __future__ import annotations

from pathlib import Path

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import could_not_ask


@click.command("list")
@inventory_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(inventory: str, as_json: bool) -> None:
    """List every provider with its keys, masked; then the keys that no provider uses.

    Health is what the gateways think at present. Exit code: 0, also where a gateway cannot be
    reached and health is unknown; 2 where the declaration cannot be read.
    """
    # verify.exchange needs httpx, which costs 0.2 s to import.
    from llmrack.observe.providers import listing as provider_list

    with could_not_ask():
        listing = provider_list.listing(inventory, Path.cwd())
    show = provider_list.as_json if as_json else provider_list.text
    click.echo(show(listing), nl=as_json)
