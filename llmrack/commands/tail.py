"""`llmrack tail`: requests as they end."""

from __future__ import annotations

import json
import os
import signal
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.logged import Last, gateways, last_option
from llmrack.problems import nearest
from llmrack.shipped.host.tail import Filters

if TYPE_CHECKING:
    from llmrack.stack.schema import Stack


@click.command()
@inventory_option
@click.option("--model", metavar="NAME", help="Only requests for it, or that it answered.")
@click.option("--key", metavar="NAME", help="Only requests with this client's key.")
@click.option("--provider", metavar="NAME", help="Only requests that it answered.")
@click.option("--errors", is_flag=True, help="Only what failed, or where an attempt did.")
@click.option("--slow", type=Last(), metavar="TIME", help="Only what took so long or longer: 5s.")
@last_option(None)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each.")
def tail(  # noqa: PLR0913  (click passes each option)
    inventory: str,
    model: str | None,
    key: str | None,
    provider: str | None,
    errors: bool,
    slow: timedelta | None,
    last: timedelta | None,
    as_json: bool,
) -> None:
    """Print requests as they end, from all gateways, until Ctrl-C.

    A gateway that cannot be reached is said, and tried again.
    """
    from llmrack.observe.requests import tail as observed
    from llmrack.observe.requests import tail_print

    asked = gateways(inventory)
    least = slow.total_seconds() if slow else None
    filters = Filters(model, key, provider, errors, least)
    for doubt in _doubts(filters, asked.declared.stack):
        click.echo(doubt, err=True)
    # The programs on the hosts end with the connections.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    if not as_json:
        click.echo(tail_print.HEAD)
    for line in observed.tail(asked, filters, last, lambda text: click.echo(text, err=True)):
        for text in [json.dumps(line)] if as_json else tail_print.rows(line):
            click.echo(text)


def _doubts(filters: Filters, stack: Stack) -> list[str]:
    """A sentence for each name that is not declared; an earlier name may still be in the logs."""
    known = {
        "model": {*stack.models, *stack.tiers, *stack.mixes, *stack.aliases},
        "key": {*stack.keys, "master"},
        "provider": set(stack.providers),
    }
    return [
        f"no {kind} {name!r} is declared; {nearest(name, names)}"
        for kind, names in known.items()
        if (name := getattr(filters, kind))
        and not any(fnmatchcase(name, declared) for declared in names)
    ]
