"""`llmrack schema`: the JSON Schema of stack.yaml, or of kube.yaml."""

from __future__ import annotations

import json

import click

from llmrack.kube.settings import Kube
from llmrack.stack.schema import Stack


@click.command()
@click.option("--kube", is_flag=True, help="That of kube.yaml instead.")
def schema(kube: bool) -> None:
    """Print the JSON Schema of stack.yaml, from which editors complete it."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    declared = Kube if kube else Stack
    click.echo(json.dumps(dialect | declared.model_json_schema(), indent=2))
