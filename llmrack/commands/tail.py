"""`llmrack tail`: requests as they end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.logged import Last, gateways, last_option
from llmrack.problems import nearest
from llmrack.shipped.host.tail import Filters

if TYPE_CHECKING:
    from llmrack.observe.requests.tail import Follow
    from llmrack.stack.schema import Stack


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Which requests are shown: the command gets them as ``filters``."""

    @wraps(command)
    def with_filters(
        *args: Any,  # noqa: ANN401  (the command's)
        model: str | None,
        key: str | None,
        provider: str | None,
        **others: Any,  # noqa: ANN401  (the command's)
    ) -> None:
        slow = others.pop("slow")
        least = slow.total_seconds() if slow else None
        filters = Filters(model, key, provider, others.pop("errors"), least)
        command(*args, filters=filters, **others)

    made: Callable[..., None] = with_filters
    for option in (
        click.option(
            "--slow", type=Last(), metavar="TIME", help="Only what took so long or longer: 5s."
        ),
        click.option("--errors", is_flag=True, help="Only what failed, or where an attempt did."),
        click.option("--provider", metavar="NAME", help="Only requests that it answered."),
        click.option("--key", metavar="NAME", help="Only requests with this client's key."),
        click.option("--model", metavar="NAME", help="Only requests for it, or that it answered."),
    ):
        made = option(made)
    return made


@click.command()
@inventory_option
@filter_options
@last_option(None)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each.")
def tail(inventory: str, filters: Filters, last: timedelta | None, as_json: bool) -> None:
    """Print requests as they end, from all gateways, until Ctrl-C.

    A gateway that cannot be reached is said, and tried again.
    """
    from llmrack.observe.requests.tail import on_hosts

    asked = gateways(inventory)
    print_lines(on_hosts(asked, filters), filters, asked.declared.stack, last, as_json)


def print_lines(
    followed: Mapping[str, Follow],
    filters: Filters,
    stack: Stack,
    last: timedelta | None,
    as_json: bool,
) -> None:
    """Print requests as they end until somebody interrupts.

    + followed: the gateways' logs
    + last: begin with requests that ended so long ago
    """
    from llmrack.observe.requests import tail as observed
    from llmrack.observe.requests import tail_print

    for doubt in _doubts(filters, stack):
        click.echo(doubt, err=True)
    # The programs on the hosts end with the connections.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    if not as_json:
        click.echo(tail_print.HEAD)
    for line in observed.tail(followed, last, lambda text: click.echo(text, err=True)):
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
