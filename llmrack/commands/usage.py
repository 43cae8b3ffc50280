"""`llmrack usage`: how much was asked, how it went, what it cost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.logged import gateways, last_option
from llmrack.observe.requests.usage import BY

if TYPE_CHECKING:
    from llmrack.observe.requests.usage import Usage


def usage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is counted, and how it is printed: last, by, plot, form."""
    for option in (
        click.option("--html", "form", flag_value="html", help="Print a page with the table."),
        click.option("--csv", "form", flag_value="csv", help="Print the groups as CSV."),
        click.option("--json", "form", flag_value="json", help="Print it as JSON."),
        click.option("--plot", is_flag=True, help="Also draw calls, errors and latency over time."),
        click.option("--by", type=click.Choice(BY), default="model", show_default=True),
        last_option("24h"),
    ):
        command = option(command)
    return command


@click.command()
@inventory_option
@usage_options
def usage(inventory: str, last: timedelta, by: str, plot: bool, form: str | None) -> None:
    """Count what the gateways were asked: calls, errors, tokens, cost, times.

    Each gateway's host adds up its own log. Days are those of UTC.

    Exit code: 0 all gateways were asked, 2 one could not be.
    """
    from llmrack.observe.requests.on_host import ask_log
    from llmrack.observe.requests.usage import ask_usage

    print_usage(ask_usage(partial(ask_log, gateways(inventory)), last, by), plot, form)


def print_usage(counted: Usage, plot: bool, form: str | None) -> NoReturn:
    """Print it, and end with its exit code."""
    from llmrack.observe.requests import usage_print

    forms = {
        "json": usage_print.as_json,
        "csv": usage_print.as_csv,
        "html": usage_print.as_html,
    }
    click.echo(forms.get(form or "", usage_print.as_text)(counted), nl=form == "json")
    if plot and not form:
        click.echo(usage_print.plots(counted), nl=False)
    sys.exit(usage_print.exit_code(counted))
