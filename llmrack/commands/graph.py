"""`llmrack graph`: a picture of who answers."""

from __future__ import annotations

import click

from llmrack.commands.declared import inventory_option, read_site
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
    site = read_site(inventory)
    draw = {"mermaid": mermaid, "svg": svg}[form]
    click.echo(draw(site.stack, site.fleet), nl=False)
