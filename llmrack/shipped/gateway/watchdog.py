"""Tells systemd that the gateway answers, for as long as it does (WatchdogSec=, sd_notify(3)).

A process whose event loop is stuck still has its socket. So a thread sends requests to the
process's private socket, as a client would. An answer may take as long as systemd waits: a gateway
with a thousand requests at once is slow, not dead. systemd expects nothing of a service that stops
(seen with 252), so running requests can end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

REQUEST = b"GET /health/liveliness HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
# Requests in the time that systemd waits for one sign.
TIMES = 8


def watch(private: str | None, tell: Callable[[str], None]) -> None:
    """Start the thread if systemd expects signs of life; it runs until the process ends.

    + private: path of the Unix socket on which this process answers; None: there is none
    + tell: sends a state to systemd
    """
    patience = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    if private and patience:
        threading.Thread(
            target=_watch, args=(private, patience, tell), name="watchdog", daemon=True
        ).start()


def _watch(private: str, patience: float, tell: Callable[[str], None]) -> None:
    while True:
        if answers(private, patience):
            # While systemd re-executes itself it may miss one.
            with contextlib.suppress(OSError):
                tell("WATCHDOG=1")
        time.sleep(patience / TIMES)


def answers(private: str, patience: float) -> bool:
    """Whether a request at a Unix socket is answered well, within ``patience`` seconds."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(patience)
        try:
            client.connect(private)
            client.sendall(REQUEST)
            return client.recv(64).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False
