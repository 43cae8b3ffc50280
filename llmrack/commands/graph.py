"""`llmrack graph`: a picture of who answers."""

from __future__ import annotations

import click

from llmrack.commands.declared import declared as read_declared
from llmrack.commands.declared import inventory_option
from llmrack.observe.report.graph import mermaid
from llmrack.observe.report.graph_svg import svg


@click.command()
@inventory_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "svg"]),
    default="mermaid",
    show_default=True,
    help="Text for a Markdown page, or a drawing.",
)
def graph(inventory: str, form: str) -> None:
    """Print a picture of who answers: names, chains, instances; touches no host."""
    declared = read_declared(inventory)
    draw = {"mermaid": mermaid, "svg": svg}[form]
    click.echo(draw(declared.stack, declared.fleet), nl=False)
