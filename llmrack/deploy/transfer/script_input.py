"""Bytes for a script on a host: pyinfra itself sends text alone, and holds all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import IO

from llmrack.deploy.run.held import guarded
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.commands import ended_after, sh
from llmrack.hosts.connection import BROKEN, reason
from llmrack.hosts.streams import started

# Seconds a host may take over what was sent, and seconds it may take nothing more of it.
DEADLINE, STALL = 7200, 120
CHUNK = 1 << 18

Write = Callable[[IO[bytes]], object]


class FeedError(Exception):
    """A script failed; the text is the end of what it said."""


def nothing(to: IO[bytes]) -> None:
    """For a script that reads nothing."""


def feed(rack: Rack, script: str, write: Write) -> str:
    """Run a script on the host as root; what it printed.

    + write: called with its standard input

    Raises FeedError.
    """
    command = guarded(rack.lock, ended_after(DEADLINE, sh(script)))
    try:
        with started(rack.pyinfra_host, command) as stream:
            stream.patience(STALL)
            # A host that gives up early says why; that the rest could not be sent does not.
            with suppress(OSError), stream.stdin as stdin:
                write(stdin)
            stream.patience(DEADLINE)
            output = stream.stdout.read().decode(errors="replace").strip()
            code = stream.exit_code()
    except BROKEN as error:
        raise FeedError(f"the connection broke ({reason(error)})") from None
    if code:
        raise FeedError("\n      ".join(output.splitlines()[-20:]) or f"it ended with {code}")
    return output
