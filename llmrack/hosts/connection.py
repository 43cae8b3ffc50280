"""Connects to a host through pyinfra, and adds what pyinfra's connection lacks."""

from __future__ import annotations

import os
import socket

import gevent
from paramiko import SSHException, Transport
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.host import Host

# Seconds a host may take to let us in.
CONNECT_DEADLINE = 10
# Seconds without any answer after which a connection is given up. A host's lock is freed after as
# many (lock.PATIENCE).
SILENCE = 60
# What is raised when a connection breaks.
BROKEN = (OSError, EOFError, SSHException)
# What pyinfra and the connection raise when a host cannot be asked.
FAILURES = (PyinfraError, *BROKEN)


class Unreached(PyinfraError):
    """Why a host could not be asked."""


def reason(error: BaseException) -> str:
    """An error in words; some have none."""
    return str(error) or type(error).__name__


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


def transport(host: Host) -> Transport | None:
    """The host's SSH transport; None where the connection is not SSH (``@local``)."""
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client else None


def tune(host: Host) -> None:
    """Send small packets at once, and give up a host that has gone.

    Paramiko never sets TCP_NODELAY, so each command waits about 41 ms for Nagle's algorithm and
    the host's delayed acknowledgement (measured: 52.8 ms a command with, 11.3 ms without). Nor does
    it ever give up: of a host without power, or behind a cut line, an answer would be waited for
    without end. So the kernel asks, and ends the connection (tcp(7)).
    """
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


def is_lost(host: Host) -> bool:
    """Whether the connection was made, and has ended since."""
    found = transport(host)
    return found is not None and not found.is_active()


def needs_sudo(host: Host) -> bool:
    """Whether the login user is not root."""
    found = transport(host)
    return found.get_username() != "root" if found else os.geteuid() != 0
