"""`llmrack rollback`: gateways go back to what ran before."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from pyinfra.api.exceptions import PyinfraError

from llmrack.commands.declared import inventory_option
from llmrack.problems import DeclarationError

FAILED, COULD_NOT_RUN = 1, 2


@click.command()
@inventory_option
@click.option("--host", "only", metavar="HOST", help="Only this host's gateway.")
def rollback(inventory: str, only: str | None) -> None:
    """Bring gateways back to the release, configuration and keys that served before.

    It is tried on a spare port first, and no request is lost. A second rollback undoes the first.

    Exit code: 0 done, 1 not possible or it failed, 2 it could not run.
    """
    from llmrack.deploy.rollout.rollback import NoSuchHost
    from llmrack.deploy.rollout.rollback import rollback as roll_back

    try:
        done = roll_back(inventory, Path.cwd(), only, click.echo)
    except (FileNotFoundError, DeclarationError, PyinfraError, NoSuchHost) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(COULD_NOT_RUN)
    if not done:
        sys.exit(FAILED)
    click.echo("the next deploy goes forward again, unless the declaration is changed as well")
