"""What pyinfra's connection to a host lacks: no delay, an end, whether sudo is needed."""

from __future__ import annotations

import os
import socket

from paramiko import SSHException, Transport
from pyinfra.api.host import Host

# Seconds without any answer after which a connection is given up. A host's lock is freed after as
# many (lock.PATIENCE).
SILENCE = 60
# What is raised when it breaks.
BROKEN = (OSError, EOFError, SSHException)


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
