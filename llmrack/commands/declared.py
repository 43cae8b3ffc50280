"""What every group of commands begins with: the declaration, or a plain sentence on why not."""

from __future__ import annotations

from pathlib import Path

import click

from llmrack.problems import DeclarationError
from llmrack.secrets.places import Places
from llmrack.site.declared import open_inventory, places_of, read_inventory
from llmrack.site.site import Site

inventory_option = click.option(
    "--inventory",
    "-i",
    default="inventory",
    show_default=True,
    metavar="FILE",
    help="The inventory, as pyinfra reads it.",
)


def declared(inventory: str) -> Site:
    """Everything declared; ClickException with every mistake in it."""
    try:
        return read_inventory(inventory, Path.cwd())
    except (FileNotFoundError, DeclarationError) as error:
        raise click.ClickException(str(error)) from None


def places(inventory: str) -> Places:
    """Where keys are kept, also while the declaration has mistakes: missing keys, for one."""
    try:
        return places_of(open_inventory(inventory, Path.cwd()), Path.cwd())
    except (FileNotFoundError, DeclarationError) as error:
        raise click.ClickException(str(error)) from None
