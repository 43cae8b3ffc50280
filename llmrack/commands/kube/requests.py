"""`llmrack kube usage` and `tail`: what the gateway's pods were asked."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import click

from llmrack.commands.kube.declared import could_not_ask, reach
from llmrack.commands.logged import last_option
from llmrack.commands.tail import filter_options, print_lines
from llmrack.commands.usage import print_usage, usage_options
from llmrack.shipped.host.tail import Filters


@click.command()
@usage_options
def usage(last: timedelta, by: str, plot: bool, form: str | None) -> None:
    """Count what the gateway's pods were asked: calls, errors, tokens, cost, times.

    A pod's log ends with it; what was before, Prometheus knows.

    Exit code: 0 all pods were asked, 2 one could not be.
    """
    from llmrack.kube.pods import ask_log
    from llmrack.observe.requests.usage import ask_usage

    cluster, kubectl = reach(with_keys=False)
    with could_not_ask():
        counted = ask_usage(partial(ask_log, cluster, kubectl), last, by)
    print_usage(counted, plot, form)


@click.command()
@filter_options
@last_option(None)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each.")
def tail(filters: Filters, last: timedelta | None, as_json: bool) -> None:
    """Print requests as they end, from all pods of the gateway, until Ctrl-C."""
    from llmrack.kube.pods import followed

    cluster, kubectl = reach(with_keys=False)
    with could_not_ask():
        print_lines(followed(cluster, kubectl, filters), filters, cluster.site.stack, last, as_json)
