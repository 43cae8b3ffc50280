"""`llmrack keys …`: clients' own keys for the gateway."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from llmrack.commands.declared import inventory_option, read_site
from llmrack.commands.errors import plain_errors
from llmrack.problems import nearest
from llmrack.secrets import audit
from llmrack.site import issued_keys


@click.group()
def keys() -> None:
    """Clients' own keys for the gateway: declared in stack.yaml, known by their hashes."""


@keys.command()
@inventory_option
@click.argument("name")
@click.option("--replace", is_flag=True, help="Make another one; the old one ends with a deploy.")
def issue(inventory: str, name: str, replace: bool) -> None:
    """Make the key NAME, and print it: this once, it is kept nowhere."""
    site = read_site(inventory)
    if name not in site.stack.keys:
        known = nearest(name, site.stack.keys)
        raise click.ClickException(f"no key {name!r} is declared under keys in stack.yaml; {known}")
    if name in site.issued and not replace:
        when = site.issued[name].issued
        raise click.ClickException(
            f"{name} was issued at {when} and cannot be shown again; "
            "make another one with --replace, or revoke it"
        )
    with plain_errors():
        key = issued_keys.issue(site.keys_file, name)
        audit.note(site.places, "issue key", [name])
    click.echo(key.reveal())
    click.echo(f"{name}: this is shown once; the gateways know it after a deploy", err=True)


@keys.command()
@inventory_option
@click.argument("name")
def revoke(inventory: str, name: str) -> None:
    """Forget the key NAME: after a deploy no gateway takes it."""
    site = read_site(inventory)
    if name not in site.issued:
        known = nearest(name, site.issued) if site.issued else "there is nothing to revoke"
        raise click.ClickException(f"no key {name!r} was issued; {known}")
    with plain_errors():
        issued_keys.revoke(site.keys_file, name)
        audit.note(site.places, "revoke key", [name])
    click.echo(f"{name} is revoked; the gateways take it until a deploy")


@keys.command("list")
@inventory_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(inventory: str, as_json: bool) -> None:
    """Print the keys, what they are for, and how much each is used.

    Exit code: 0 all gateways were asked, 2 one could not be.
    """
    from llmrack.hosts.asking import Gateways
    from llmrack.observe import keys as key_usage

    with plain_errors():
        listing = key_usage.list_keys(Gateways(inventory, Path.cwd()))
    if as_json:
        click.echo(key_usage.as_json(listing))
    else:
        click.echo(key_usage.table(listing, audit.now()[:10]), nl=False)
    sys.exit(listing.exit_code)
