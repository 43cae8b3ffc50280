"""What most commands begin with: everything that is declared, or a sentence on why not."""

from __future__ import annotations

from pathlib import Path

import click

from llmrack.commands.errors import plain_errors
from llmrack.kube.settings import FILE
from llmrack.secrets.places import Places
from llmrack.site.declared import open_inventory, places_of, read_inventory
from llmrack.site.site import Site

INVENTORY = "inventory"
inventory_option = click.option(
    "--inventory",
    "-i",
    default=INVENTORY,
    show_default=True,
    metavar="FILE",
    help="The inventory, as pyinfra reads it.",
)


def read_site(inventory: str) -> Site:
    """Everything declared. Raises ClickException with every mistake in it."""
    with plain_errors():
        return read_inventory(inventory, Path.cwd())


def read_places(inventory: str) -> Places:
    """Where keys are kept, also while the declaration has mistakes, as for a missing key.

    Raises ClickException.
    """
    with plain_errors():
        if is_in_cluster(inventory):
            from llmrack.kube.cluster import places_in_cluster

            return places_in_cluster(Path.cwd())
        return places_of(open_inventory(inventory, Path.cwd()), Path.cwd())


def is_in_cluster(inventory: str) -> bool:
    """Whether there is no inventory, and none was asked for, but the declaration of a cluster."""
    return inventory == INVENTORY and not Path(inventory).exists() and Path(FILE).exists()
