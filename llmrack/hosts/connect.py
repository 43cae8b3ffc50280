"""Connects to a host through pyinfra, and adds what pyinfra's connection lacks."""

from __future__ import annotations

import logging
import socket

import gevent
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host

from llmrack.hosts.become_root import use_stdin_for_passwords
from llmrack.hosts.connection import (
    CONNECT_DEADLINE,
    FAILURES,
    SILENCE,
    Unreached,
    reason,
    transport,
)

# Paramiko would print what it raises, too, with a traceback.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def connect(host: Host) -> None:
    """Connect to a host, unless that was done; raises Unreached."""
    # TCP has one deadline, all of it two.
    limit = 2 * CONNECT_DEADLINE
    try:
        with gevent.Timeout(limit, Unreached(f"it does not let us in within {limit} s")):
            host.connect(show_errors=False, raise_exceptions=True)
            tune(host)
    except ConnectError as error:
        raise Unreached(f"no connection: {error}") from None
    except FAILURES as error:
        raise Unreached(reason(error)) from None


def tune(host: Host) -> None:
    """Send small packets at once, give up a host that has gone, keep passwords out of commands.

    Paramiko never sets TCP_NODELAY, so each command waits about 41 ms for Nagle's algorithm and
    the host's delayed acknowledgement (measured: 52.8 ms a command with, 11.3 ms without). Nor does
    it ever give up: of a host without power, or behind a cut line, an answer would be waited for
    without end. So the kernel asks, and ends the connection (tcp(7)).
    """
    use_stdin_for_passwords(host)
    found = transport(host)
    if not (found and isinstance(found.sock, socket.socket)):
        return
    for option, value in (
        (socket.TCP_NODELAY, 1),
        (socket.TCP_KEEPIDLE, SILENCE // 4),
        (socket.TCP_KEEPINTVL, SILENCE // 4),
        (socket.TCP_USER_TIMEOUT, SILENCE * 1000),
    ):
        found.sock.setsockopt(socket.IPPROTO_TCP, option, value)
    found.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
