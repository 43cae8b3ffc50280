"""`llmrack kube apply`: bring the cluster to what is declared."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from llmrack.commands.kube.declared import could_not_ask, reach, say
from llmrack.commands.logged import Last

if TYPE_CHECKING:
    from llmrack.kube.apply import Applied


@click.command()
@click.option(
    "--patience",
    type=Last(),
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long pods may stand still, as while nodes are added, before they have failed.",
)
def apply(patience: timedelta) -> None:
    """Bring the cluster to what is declared, and prove the result.

    Exit code: 0 proven, 1 not proven: the last line says what the cluster has now, 2 nothing was
    changed, or the cluster does not answer.
    """
    # The requests need httpx, which costs 0.2 s to import.
    from llmrack.kube.apply import apply as bring
    from llmrack.verify.report import table

    cluster, kubectl = reach()
    with could_not_ask():
        done = bring(cluster, kubectl, say, patience.total_seconds())
    for name in done.changed:
        click.echo(f"changed: {name}")
    for name in done.removed:
        click.echo(f"removed: {name}")
    if not done.changed and not done.removed:
        click.echo("nothing was to change")
    if done.report:
        click.echo(table(done.report))
    if not done.proven:
        why = f": {done.why}" if done.why else ""
        click.echo(f"not proven{why}", err=True)
        click.echo(_what_is_there(done), err=True)
    sys.exit(0 if done.proven else 1)


def _what_is_there(done: Applied) -> str:
    """What the cluster has after a run that was not proven."""
    if done.not_undone:
        return (
            f"what there was before could not be brought back: {done.not_undone}; mend that, then "
            "apply the declaration of before"
        )
    if done.kept:
        return "what failed was not well before; what was changed stays"
    if done.undone:
        return "the cluster has again what it had before"
    return "there was nothing to go back to; everything stays, to be looked at"
