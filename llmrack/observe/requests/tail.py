"""Follows the logs of requests of all gateways, in one stream."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import gevent
from gevent.queue import Empty, Queue

from llmrack.hosts.asking import Gateways
from llmrack.hosts.connection import FAILURES, Unreached, reason
from llmrack.hosts.streams import Stream, started
from llmrack.observe.requests.on_host import command, program
from llmrack.observe.requests.usage import stamp
from llmrack.shipped.host import tail as host_tail
from llmrack.shipped.host.tail import SILENCE, Filters
from llmrack.stack.fleet import Host

# Seconds that a line waits for older ones of other gateways; seconds until a lost gateway is tried
# again.
HOLD, RETRY = 0.3, 5.0
# Lines that may wait for a terminal that does not take them; then the gateways wait, too.
WAITING = 10_000

Line = dict[str, Any]
# A gateway and its line; None: all its earlier lines have come, it is alive, or it is lost.
Told = tuple[str, Line | None]


# The lines of a gateway from a time on (its text in the log; None: from now on); None among them: a
# sign of life. Raises one of hosts.connection.FAILURES when the gateway is lost.
Follow = Callable[[str | None], Iterator[Line | None]]


def on_hosts(gateways: Gateways, filters: Filters) -> dict[str, Follow]:
    """How the log of each gateway of an inventory is followed, by the host's name."""
    return {host.name: partial(_on_host, gateways, filters, host) for host in gateways.hosts}


def tail(
    gateways: Mapping[str, Follow], last: timedelta | None, tell: Callable[[str], None]
) -> Iterator[Line]:
    """Lines of the log of requests as they are written, in the order of their times, without end.

    + gateways: how each one is followed, by its name
    + last: begin with requests that ended so long ago; None: from now on
    + tell: is called with a sentence when a gateway is lost or back

    ``gateway``, the name, is added to each line.
    """
    since = stamp(datetime.now(UTC) - last) if last else None
    queue: Queue[Told] = Queue(WAITING)
    followers = [
        gevent.spawn(_follow, name, follow, since, queue, tell) for name, follow in gateways.items()
    ]
    try:
        # One gateway may send its earlier lines much sooner than another; new ones hardly.
        yield from merged(queue, set(gateways) if last else set())
    finally:
        gevent.killall(followers)


def merged(queue: Queue[Told], awaited: set[str]) -> Iterator[Line]:
    """The lines of a queue, in the order of their times as far as HOLD allows.

    + awaited: gateways whose earlier lines are still to come; until then no line is given
    """
    # The number, so that two lines of one time need not be compared.
    held: list[tuple[str, int, float, Line]] = []
    number = 0
    while True:
        wait = None
        while held and not awaited:
            wait = held[0][2] + HOLD - time.monotonic()
            if wait > 0:
                break
            yield heapq.heappop(held)[3]
            wait = None
        try:
            gateway, line = queue.get(timeout=wait)
        except Empty:
            continue
        if line is None:
            awaited.discard(gateway)
            continue
        number += 1
        held_line = {**line, "gateway": gateway}
        heapq.heappush(held, (line["time"], number, time.monotonic(), held_line))


def _follow(
    name: str,
    follow: Follow,
    since: str | None,
    queue: Queue[Told],
    tell: Callable[[str], None],
) -> None:
    """Put a gateway's lines into the queue; follow it again whenever it is lost."""
    lost = False
    while True:
        try:
            for line in follow(since):
                if lost:
                    tell(f"{name}: followed again")
                    lost = False
                since = line["time"] if line else since
                queue.put((name, line))
        except FAILURES as error:
            why = reason(error)
        if not lost:
            tell(f"{name}: not followed: {why}; tried again every {RETRY:.0f} s")
        lost = True
        # The lines of the meantime come when it is back.
        since = since or stamp(datetime.now(UTC))
        queue.put((name, None))
        gevent.sleep(RETRY)


def _on_host(
    gateways: Gateways, filters: Filters, host: Host, since: str | None
) -> Iterator[Line | None]:
    connected = gateways.connect(host)
    try:
        call = program(host_tail, folder=host.home.requests, since=since, filters=filters)
        with started(connected, command(host), together=False) as stream:
            yield from lines_of(stream, call)
    finally:
        with suppress(*FAILURES):
            connected.disconnect()


def lines_of(stream: Stream, call: str) -> Iterator[Line | None]:
    """The lines that the program of ``call`` prints; None: a sign of life.

    Raises Unreached at the end.
    """

    def write(text: bytes) -> None:
        stream.stdin.write(text)
        stream.stdin.flush()

    write(f"{call}\n".encode())
    while True:
        with gevent.Timeout(SILENCE, Unreached(f"nothing was heard for {SILENCE:.0f} s")):
            text = stream.stdout.readline()
        if not text:
            complaints = stream.stderr.read().decode(errors="replace").split("\n")
            raise Unreached(next(filter(None, reversed(complaints)), "the connection ended"))
        if text == b"\n":
            # Without an answer the program would end.
            write(b"\n")
        yield json.loads(text) if text.strip() else None
