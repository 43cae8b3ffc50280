"""How a server ends a TCP connection that it would have to go on with."""

from __future__ import annotations

import contextlib
import os
import socket
import struct


def drop(connection: socket.socket) -> None:
    """End a connection below TLS and HTTP, as the end of the process would."""
    with contextlib.suppress(OSError):  # the client was faster
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def abort(connection: socket.socket) -> None:
    """Reset a connection: its client gets an error instead of an end."""
    # Closing with nothing to linger for sends RST (socket(7)).
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if (handle := connection.detach()) >= 0:
        os.close(handle)
