"""`llmrack client`: ready configuration for clients of the gateway."""

from __future__ import annotations

import click

from llmrack.commands.declared import inventory_option, read_site
from llmrack.observe.clients.clients import CLIENTS, KEY_VARIABLE, NoModel, configuration
from llmrack.secrets.places import MASTER_KEY
from llmrack.stack.settings import is_loopback


@click.command()
@inventory_option
@click.argument("name", metavar="[NAME]", required=False, type=click.Choice(list(CLIENTS)))
@click.option("--show-key", is_flag=True, help="Write the gateway's master key out.")
def client(inventory: str, name: str | None, show_key: bool) -> None:
    """Print ready configuration for NAME, for the first gateway; without NAME, what there is.

    Keys are named, not shown: they come from the environment variable LLMRACK_API_KEY.
    """
    if name is None:
        click.echo("\n".join(CLIENTS))
        return
    site = read_site(inventory)
    if not site.fleet.gateways:
        raise click.ClickException("the inventory has no gateway; put a host into that group")
    gateway = site.fleet.gateways[0]
    key = site.secrets[MASTER_KEY].reveal() if show_key else None
    try:
        click.echo(configuration(name, site.stack, site.fleet, gateway, key), nl=False)
    except NoModel as error:
        raise click.ClickException(str(error)) from None
    # Beside it, so that what is printed can go into a file as it is.
    click.echo(f"# {CLIENTS[name].place}", err=True)
    if not show_key:
        click.echo(f"# {KEY_VARIABLE} is a key of yours: llmrack keys issue NAME", err=True)
    if is_loopback(gateway.settings.gateway_bind):
        port = gateway.settings.gateway_port
        click.echo(
            f"# {gateway.name} listens on loopback; first: "
            f"ssh -NL {port}:127.0.0.1:{port} {gateway.address}",
            err=True,
        )
