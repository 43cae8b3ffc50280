"""`llmrack kube status`: which pods are there, and how they are."""

from __future__ import annotations

import sys

import click

from llmrack.commands.kube.declared import could_not_ask, reach


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(as_json: bool) -> None:
    """Ask every pod of the gateway and of the engines how it is; changes nothing.

    Exit code: 0 all is well, 1 something is not, 2 the cluster could not be asked.
    """
    from llmrack.kube.status import status_of
    from llmrack.observe.status import view

    cluster, kubectl = reach(with_keys=False)
    with could_not_ask():
        found = status_of(cluster, kubectl)
    click.echo(view.as_json(found) if as_json else view.text(found), nl=as_json)
    sys.exit(found.exit_code)
