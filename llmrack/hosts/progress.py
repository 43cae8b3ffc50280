"""What is said while work is under way: lines in the log, and live ones on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import gevent
from pyinfra import logger

if TYPE_CHECKING:
    from pyinfra.api.host import Host

    from llmrack.hosts.screen import Screen

# Seconds without a word about a host after which it gets one.
SILENCE = 3.0
# Seconds between two plain lines about the same transfer.
PACE = 2.0

# What ``transfer`` yields: told the bytes that are there and the bytes of the whole.
Meter = Callable[[int, int], None]


_last_words: dict[str, float] = {}


def say(host: Host, text: str, log: Callable[[str], None] = logger.info) -> None:
    """A line about this host."""
    heard(host)
    log(f"{host.print_prefix}{text}")


def heard(host: Host) -> None:
    """Note that no sign of life is due: something else shows that the host is not forgotten."""
    _last_words[host.name] = time.monotonic()


@contextmanager
def signs_of_life(host: Host, what: str) -> Iterator[None]:
    """Say that ``what`` is still under way whenever nothing else was said for a while."""
    started = time.monotonic()
    heard(host)

    def tell() -> None:
        while True:
            silent = time.monotonic() - _last_words[host.name]
            if silent >= SILENCE:
                say(host, f"{what}: {time.monotonic() - started:.0f} s so far")
                silent = 0.0
            gevent.sleep(SILENCE - silent)

    teller = gevent.spawn(tell)
    try:
        yield
    finally:
        teller.kill()


@contextmanager
def transfer(host: Host, what: str) -> Iterator[Meter]:
    """Show how a transfer to this host gets on: a live line on a terminal, else one every 2 s.

    Yields what is told bytes so far and bytes in all, as often as one likes. The rate is that of
    this transfer: what was there when it began does not count.
    """
    screen = _terminal()
    if screen:
        with screen.line(host.name, what) as draw:

            def drawn(have: int, whole: int) -> None:
                heard(host)
                draw(have, whole)

            yield drawn
    else:
        yield _Lines(host, what).at


class _Lines:
    """A transfer in plain lines, at a reader's pace."""

    def __init__(self, host: Host, what: str) -> None:
        self._host, self._what = host, what
        self._started = self._told = time.monotonic()
        self._first: int | None = None

    def at(self, have: int, whole: int) -> None:
        """Tell it, unless that was done a moment ago."""
        now = time.monotonic()
        if self._first is None:
            self._first = have
        if now - self._told < PACE or not whole:
            return
        self._told = now
        rate = (have - self._first) / (now - self._started)
        left = f", {(whole - have) / rate:.0f} s left" if rate else ""
        text = f"{have / whole:4.0%} of {whole / 1e6:,.0f} MB, {rate / 1e6:,.1f} MB/s"
        say(self._host, f"{self._what}: {text}{left}")


_screen: Screen | None = None


def _terminal() -> Screen | None:
    """The terminal's live lines; None where there is no terminal, or a dumb one."""
    global _screen
    if _screen is None and sys.stderr.isatty():
        # rich costs 0.1 s to import; a run that transfers nothing does without.
        from llmrack.hosts.screen import Screen

        _screen = Screen()
    return _screen if _screen and _screen.is_capable else None
