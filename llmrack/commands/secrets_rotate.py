"""`llmrack secrets rotate`: another value for a key, without an outage."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from pyinfra.api.exceptions import PyinfraError

from llmrack.commands.declared import inventory_option, is_in_cluster
from llmrack.commands.secret_input import ask
from llmrack.kube.settings import FILE
from llmrack.problems import DeclarationError
from llmrack.secrets.places import MASTER_KEY


@click.command("rotate")
@inventory_option
@click.argument("name")
def rotate_(inventory: str, name: str) -> None:
    """Replace a key: test the new one, deploy it, prove it; or put the old one back.

    The new value comes from a prompt or from standard input; a master key is made where there is
    nothing. Exit code: 0 the new one is in use, 1 it is not.
    """
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.deploy.rotation import new_master_key, plan, rotate
    from llmrack.kube.rotation import and_in_cluster
    from llmrack.kube.rotation import plan as plan_in_cluster

    try:
        if is_in_cluster(inventory):
            rotation = plan_in_cluster(Path.cwd(), name)
        else:
            rotation = plan(inventory, Path.cwd(), name)
            if Path(FILE).exists():
                rotation = and_in_cluster(rotation)
        new = ask(name)
        if name == MASTER_KEY and not new.reveal():
            new = new_master_key()
        done = rotate(rotation, new, _tell)
    except (FileNotFoundError, DeclarationError, PyinfraError) as error:
        raise click.ClickException(str(error)) from None
    if not done:
        sys.exit(1)
    click.echo(f"{name} is rotated: the new one is in use, and it is proven")
    if rotation.providers:
        click.echo(f"now revoke the old one at {', '.join(rotation.providers)}")
    elif rotation.grace:
        click.echo(f"gateways take the old one, too, until {rotation.grace}: tell their clients")
    elif name == MASTER_KEY:
        click.echo("gateways take the new one alone: tell their clients")


def _tell(text: str) -> None:
    click.echo(text, err=True)
