"""`llmrack schema`: the JSON Schema of stack.yaml."""

from __future__ import annotations

import json

import click

from llmrack.stack.schema import Stack


@click.command()
def schema() -> None:
    """Print the JSON Schema of stack.yaml, from which editors complete it."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    click.echo(json.dumps(dialect | Stack.model_json_schema(), indent=2))
