"""`llmrack kube remove`: take the stack out of the cluster."""

from __future__ import annotations

import click

from llmrack.commands.kube.declared import could_not_ask, reach
from llmrack.kube.removal import planned_removal, told
from llmrack.kube.removal import remove as carry_out


@click.command()
@click.option("--models", "with_models", is_flag=True, help="The claims with the models, too.")
@click.option("--dry", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(with_models: bool, dry: bool, yes: bool) -> None:
    """Remove what llmrack made in the cluster, and nothing else; models stay.

    Exit code: 0 removed, 1 not, 2 the cluster could not be asked.
    """
    cluster, kubectl = reach(with_keys=False)
    with could_not_ask():
        planned = planned_removal(cluster, kubectl)
        for line in told(planned, cluster, with_models):
            click.echo(line)
        if dry:
            return
        if not yes:
            click.confirm("Remove it?", abort=True)
        carry_out(planned, kubectl, with_models)
    click.echo("removed")
