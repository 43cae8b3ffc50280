"""The connection that pyinfra has made to a host: what may break it, and who logs in."""

from __future__ import annotations

import os

from paramiko import SSHException, Transport
from pyinfra.api.exceptions import PyinfraError
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


def transport(host: Host) -> Transport | None:
    """The host's SSH transport; None where the connection is not SSH (``@local``)."""
    client = getattr(host.connector, "client", None)
    return client.get_transport() if client else None


def is_lost(host: Host) -> bool:
    """Whether the connection was made, and has ended since."""
    found = transport(host)
    return found is not None and not found.is_active()


def login_user(host: Host) -> str:
    """The user that commands on the host begin as: its name, or its number on this machine."""
    found = transport(host)
    if found:
        return str(found.get_username())
    return "root" if os.geteuid() == 0 else str(os.geteuid())
