"""Options and checks of the commands that read the gateways' logs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmrack.commands.errors import CouldNotAsk, could_not_ask

if TYPE_CHECKING:
    from llmrack.hosts.asking import Gateways

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# No log is kept for longer, and Python's dates end somewhere.
_MOST = timedelta(days=3660)


class Last(click.ParamType[timedelta]):
    """A time up to now: 90s, 15m, 24h, 30d."""

    name = "time"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The time. Fails with a sentence if ``value`` is no time."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhd])", value)
        last = timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else timedelta()
        if not timedelta() < last <= _MOST:
            self.fail(f"{value!r} is no time; write it like 90s, 15m, 24h or 30d", param, ctx)
        return last


def last_option(default: str | None) -> Callable[[Any], Any]:
    """``--last``; without a default it may be None."""
    return click.option(
        "--last",
        type=Last(),
        default=default,
        show_default=True,
        metavar="TIME",
        help="How far back: 90s, 15m, 24h, 30d.",
    )


def gateways(inventory: str) -> Gateways:
    """The gateways of an inventory. Raises CouldNotAsk if there are none."""
    from llmrack.hosts.asking import Gateways

    with could_not_ask():
        asked = Gateways(inventory, Path.cwd())
    if not asked.hosts:
        raise CouldNotAsk("the inventory has no host in the group gateway")
    return asked
