"""`llmrack status`: what is served, by whom and how well."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from llmrack.commands.declared import inventory_option
from llmrack.commands.errors import could_not_ask

if TYPE_CHECKING:
    from llmrack.hosts.asking import Gateways
    from llmrack.observe.status.server_status import Status

# Seconds from one look to the next, where none are given.
PAUSE = 5.0


@click.command()
@inventory_option
@click.option("--models", is_flag=True, help="Every model on every instance.")
@click.option(
    "--watch",
    metavar="[SECONDS]",
    type=click.FloatRange(min=0.5),
    is_flag=False,
    flag_value=PAUSE,
    help=f"Look again every so often (default: {PAUSE:g}), until Ctrl-C.",
)
@click.option("--gpus", is_flag=True, help="Instead the GPUs of every host: cards, driver, state.")
@click.option("--uuids", is_flag=True, help="With --gpus: also a line for each card.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(  # noqa: PLR0913  (click passes each option)
    inventory: str, models: bool, watch: float | None, gpus: bool, uuids: bool, as_json: bool
) -> None:
    """Ask every gateway and instance how it is; changes nothing.

    Exit code: 0 all is well, 1 something is not, 2 a host could not be asked.
    """
    if gpus and (models or watch):
        raise click.UsageError("--gpus is a look of its own: without --models and --watch")
    from llmrack.hosts.asking import Gateways

    with could_not_ask():
        gateways = Gateways(inventory, Path.cwd())
        if gpus:
            _gpus(gateways, uuids, as_json)
        _status(gateways, models, watch, as_json)


def _gpus(gateways: Gateways, uuids: bool, as_json: bool) -> NoReturn:
    from llmrack.observe.status import gpus as host_status

    rows = host_status.ask_gpus(gateways)
    click.echo(host_status.as_json(rows) if as_json else host_status.table(rows, uuids), nl=as_json)
    sys.exit(host_status.exit_code(rows))


def _status(gateways: Gateways, models: bool, watch: float | None, as_json: bool) -> NoReturn:
    # The requests need httpx, which costs 0.2 s to import.
    from rich.console import Console

    from llmrack.observe.status import view as status_view
    from llmrack.observe.status.asking import status_of

    console = Console(highlight=False)

    def show(current: Status) -> None:
        if as_json:
            click.echo(status_view.as_json(current, indent=None if watch else 2))
        elif console.is_terminal:
            console.print(status_view.view(current))
        else:
            click.echo(status_view.text(current), nl=watch is not None)

    if watch is None:
        current = status_of(gateways, models)
        show(current)
        sys.exit(current.exit_code)

    def ask() -> Status:
        return status_of(gateways, models, keep=True)

    # An exception would be raised in whichever greenlet runs at the time.
    signal.signal(signal.SIGINT, lambda *_: (console.show_cursor(), os._exit(0)))
    if console.is_terminal and not as_json:
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            _again(watch, ask, lambda current: live.update(status_view.view(current), refresh=True))
    _again(watch, ask, show)


def _again(seconds: float, ask: Callable[[], Status], show: Callable[[Status], None]) -> NoReturn:
    """Ask and show until somebody interrupts."""
    while True:
        began = time.monotonic()
        show(ask())
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
