"""`llmrack rollback`: gateways go back to what ran before."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import could_not_ask


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

    with could_not_ask(NoSuchHost):
        done = roll_back(inventory, Path.cwd(), only, click.echo)
    if not done:
        sys.exit(1)
    click.echo("the next deploy goes forward again, unless the declaration is changed as well")
