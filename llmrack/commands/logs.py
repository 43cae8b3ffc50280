"""`llmrack logs`: what went wrong."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.logged import gateways, last_option


@click.command()
@inventory_option
@last_option("1h")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def logs(inventory: str, last: timedelta, as_json: bool) -> None:
    """Print what went wrong: errors, chains that fired, instances put aside, slow requests.

    Exit code: 0 all gateways were asked, 2 one could not be.
    """
    from llmrack.observe.requests import logs_print
    from llmrack.observe.requests.logs import ask_logs

    result = ask_logs(gateways(inventory), last)
    form = logs_print.as_json if as_json else logs_print.as_text
    click.echo(form(result), nl=as_json)
    sys.exit(logs_print.exit_code(result))
