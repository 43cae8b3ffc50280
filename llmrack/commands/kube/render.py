"""`llmrack kube render` and `diff`: what the cluster shall have, and what would change."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from llmrack.commands.errors import plain_errors
from llmrack.commands.kube.declared import could_not_ask, reach, read
from llmrack.kube.manifest import as_yaml
from llmrack.kube.objects.all import namespace, objects
from llmrack.kube.objects.secret import without_values
from llmrack.kube.plan import difference


@click.command()
@click.option(
    "--output", "-o", "folder", type=click.Path(file_okay=False), help="A file for each object."
)
def render(folder: str | None) -> None:
    """Print the objects as YAML, with secrets left out; asks no cluster."""
    cluster = read()
    found = [namespace(cluster), *objects(cluster)]
    shown = [without_values(one) if one["kind"] == "Secret" else one for one in found]
    if folder is None:
        click.echo(as_yaml(shown), nl=False)
        return
    with plain_errors():
        Path(folder).mkdir(parents=True, exist_ok=True)
        # Of a run before: whoever applies the folder would bring back what is no longer declared.
        for old in Path(folder).glob("[0-9][0-9]-*.yaml"):
            old.unlink()
        for number, one in enumerate(shown):
            name = f"{number:02}-{one['kind'].lower()}-{one['metadata']['name']}.yaml"
            (Path(folder) / name).write_text(as_yaml([one]), encoding="utf-8")
    click.echo(f"{folder}: {len(shown)} objects")


@click.command()
def diff() -> None:
    """Print what would change in the cluster, by the server's own dry run, without secrets.

    Exit code: 0 nothing would change, 1 something would, 2 it could not look.
    """
    cluster, kubectl = reach()
    with could_not_ask():
        found = difference(cluster, kubectl)
    click.echo(found or "nothing would change", nl=not found)
    sys.exit(1 if found else 0)
