"""``ollama serve``: where the stand-in listens, and the back door that is always open."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import traceback
from http.server import ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any

from . import STANDIN_VERSION
from .connections import drop
from .faults import Fault
from .gpus import discover
from .handler import Handler, Served
from .log import log
from .routes import Routes
from .runner import Runner
from .settings import Settings


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be bound.
    """
    routes = Routes(settings)
    try:
        server = Server(settings, routes)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OSError(f"listen tcp {settings.host}:{settings.port}: bind: {reason}") from None
    if not settings.no_prune:
        log(f"total unused blobs removed: {routes.store.prune()}")
    for number in (signal.SIGTERM, signal.SIGINT):
        # Raised in the main thread; the other threads are daemons.
        signal.signal(number, lambda *_: sys.exit(0))
    log("server config", source="routes.go:1873", env=f"map[{_environment()}]")
    log("llmrack stand-in, not Ollama: answers are canned")
    host, port = server.server_address[:2]
    log(f"Listening on {host!s}:{port} (version {STANDIN_VERSION})")
    routes.scheduler.use(discover(settings))
    routes.backstage.followers.append(Listener(settings, routes, server).follow)
    routes.backstage.followers.append(Runner().follow)
    _start(BackDoor(settings.port, routes))
    while True:
        signal.pause()


def _environment() -> str:
    """The variables that Ollama prints at its start (``envconfig.Values``)."""
    known = re.compile(r"OLLAMA_\w+|(?i:https?_proxy|no_proxy)|\w+_VISIBLE_DEVICES")
    shown = {name: value for name, value in sorted(os.environ.items()) if known.fullmatch(name)}
    return " ".join(f"{name}:{value}" for name, value in shown.items())


class Server(Served):
    """The server; one thread per connection.

    Args:
        settings: address and port to bind to.
        routes: what answers the requests.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, settings: Settings, routes: Routes) -> None:
        self.routes = routes
        self._open: set[socket.socket] = set()
        if ":" in settings.host:
            self.address_family = socket.AF_INET6
        super().__init__((settings.host, settings.port), Handler)
        self.loopback = ip_address(self.socket.getsockname()[0]).is_loopback

    def server_bind(self) -> None:
        """Bind without the reverse look-up of http.server, which may take seconds."""
        super(ThreadingHTTPServer, self).server_bind()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (inherited)
        """Serve one connection."""
        self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self._open.discard(request)

    def close(self) -> None:
        """Stop listening and end every connection, as the end of the process would."""
        self.shutdown()
        self.server_close()
        for connection in self._open.copy():
            drop(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client goes away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            traceback.print_exc()


class Listener:
    """The server that listens, or nothing while connections are to be refused."""

    def __init__(self, settings: Settings, routes: Routes, server: Server) -> None:
        self._settings = settings
        self._routes = routes
        self._lock = threading.Lock()
        self._server: Server | None = server
        _start(server)

    def follow(self, fault: Fault) -> None:
        """Listen or stop that; it has happened when this returns."""
        with self._lock:
            if fault.mode != "refuse":
                if self._server is None:
                    self._server = Server(self._settings, self._routes)
                    _start(self._server)
            elif self._server is not None:
                self._server.close()
                self._server = None


class BackDoor(Served):
    """What is below ``/__standin__/``, also while nobody else is answered.

    An abstract socket (unix(7)) in the host's network namespace, so no file stays behind:
    ``curl --abstract-unix-socket llmrack-standin-PORT http://localhost/__standin__/requests``
    """

    daemon_threads = True
    address_family = socket.AF_UNIX

    def __init__(self, port: int, routes: Routes) -> None:
        self.routes = routes
        self.loopback = False
        super().__init__(f"\0llmrack-standin-{port}", _BackDoorHandler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        """Bind; http.server would take the address for one of TCP."""
        self.socket.bind(self.server_address)


class _BackDoorHandler(Handler):
    # Nagle is an affair of TCP.
    disable_nagle_algorithm = False

    def address_string(self) -> str:
        """Name the client, who has no address."""
        return "back door"


def _start(server: ThreadingHTTPServer) -> None:
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
