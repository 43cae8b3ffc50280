"""A forward proxy on this machine, which hosts of the lab are to use: it notes what passes.

It takes CONNECT for https:// and whole addresses for http:// (RFC 9110, 9.3.6; RFC 9112, 3.2.2).
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PATIENCE_S = 60.0


@dataclass
class Passed:
    """What came by: targets as HOST:PORT, all bytes of clients, and how many had no login."""

    tunnels: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    sent: bytearray = field(default_factory=bytearray)
    refused: int = 0

    @property
    def hosts(self) -> set[str]:
        """Every host that was asked for."""
        return {target.rpartition(":")[0] for target in (*self.tunnels, *self.plain)}


class ForwardProxy(ThreadingHTTPServer):
    """The proxy.

    + login: as in ``user:password``, decoded; empty: it asks for none
    + names: addresses of names that this machine does not know
    """

    daemon_threads = True

    def __init__(self, address: str, login: str, names: Mapping[str, str]) -> None:
        super().__init__((address, 0), _Handler)
        self.login = base64.b64encode(login.encode()).decode() if login else ""
        self.names = names
        self.passed = Passed()

    @property
    def url(self) -> str:
        """Its address, without the login."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ForwardProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def do_CONNECT(self) -> None:
        if not self._is_let_through():
            return
        self.server.passed.tunnels.append(self.path)
        try:
            upstream = self._connect(self.path)
        except OSError:
            self.send_error(502)
            return
        with upstream:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream, self.server.passed.sent)
            back.join(PATIENCE_S)
        self.close_connection = True

    def do_GET(self) -> None:
        if not self._is_let_through():
            return
        parts = urlsplit(self.path)
        target = f"{parts.hostname}:{parts.port or 80}"
        self.server.passed.plain.append(target)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.passed.sent += body
        path = self.path.partition("://")[2].partition("/")[2]
        kept = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
        lines = [f"{self.command} /{path} HTTP/1.1", *(f"{k}: {v}" for k, v in kept.items())]
        lines = [line for line in lines if not line.lower().startswith("connection:")]
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        try:
            upstream = self._connect(target)
        except OSError:
            self.send_error(502)
            return
        with upstream:
            upstream.sendall(head.encode() + body)
            _copy(upstream, self.connection)
        self.close_connection = True

    do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET

    def _is_let_through(self) -> bool:
        shown = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
        if shown == self.server.login:
            return True
        self.server.passed.refused += 1
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="the company"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def _connect(self, target: str) -> socket.socket:
        host, _, port = target.rpartition(":")
        address = self.server.names.get(host, host.strip("[]"))
        return socket.create_connection((address, int(port)), timeout=PATIENCE_S)


def _copy(source: socket.socket, sink: socket.socket, noted: bytearray | None = None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if noted is not None:
                noted += data
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def forward_proxy(address: str, login: str, names: Mapping[str, str]) -> Iterator[ForwardProxy]:
    """A proxy that runs until the block ends; see ``ForwardProxy``."""
    proxy = ForwardProxy(address, login, names)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
