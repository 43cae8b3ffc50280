"""The HTTP/1.1 server that the provider stand-ins and their control ports share."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import select
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, cast

from llmrack_lab.standins.answers import JSON
from llmrack_lab.standins.form import read_form
from llmrack_lab.standins.ollama.connections import abort, drop

Address = tuple[str, int]

# <asm-generic/socket.h> has these; Python's socket module does not.
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
# struct sock_fprog with a classic BPF program of one instruction: "return 0", accept no byte.
_ACCEPT_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
_DROP_ALL = struct.pack("HL", 1, ctypes.addressof(_ACCEPT_NOTHING))

CLIENT_KEY = "X-Api-Key"
"""A header with a key in it, like Authorization."""


@dataclass(frozen=True)
class Request:
    """A request as read from the wire: `path` without query, header names in Title-Case.

    `body` is the JSON object sent, `{}` where there was none, None where it was no JSON object; of
    a form its fields, and of a file its name. `files` are the files' bytes, by their fields.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: JSON | None
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def model(self) -> str | None:
        """The model that the request asks for."""
        return (self.body or {}).get("model")

    @property
    def token(self) -> str:
        """The bearer token, empty where none was sent."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def redacted_headers(self) -> JSON:
        """Return the headers with the keys in them replaced by `sha256:<hex of it>`."""
        headers = dict(self.headers)
        scheme, space, token = headers.get("Authorization", "").partition(" ")
        if token := token.strip():
            headers["Authorization"] = f"{scheme}{space}{_digest(token)}"
        if CLIENT_KEY in headers:
            headers[CLIENT_KEY] = _digest(headers[CLIENT_KEY])
        return headers


def _digest(secret: str) -> str:
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


@dataclass(frozen=True)
class Reply:
    """A whole answer; a `str` body is sent as plain text, anything else as JSON.

    `tokens` is how many of them a model had to make for it.
    """

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: int = 0

    def encoded(self) -> tuple[str, bytes]:
        """Return the content type and the bytes of the body."""
        if isinstance(self.body, str):
            return "text/plain; charset=utf-8", self.body.encode()
        return "application/json", json.dumps(self.body).encode()


@dataclass(frozen=True)
class Stream:
    """An answer sent piece by piece; each piece is one chunk on the wire."""

    content_type: str
    pieces: Iterator[bytes]


class Handler(BaseHTTPRequestHandler):
    """Reads requests with JSON or a form and sends replies; `answer` is the subclass's part."""

    protocol_version = "HTTP/1.1"
    server_version = "llmrack-standin"
    sys_version = ""
    disable_nagle_algorithm = True

    def answer(self, request: Request) -> None:
        """Answer one request."""
        raise NotImplementedError

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.title(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        form = read_form(headers.get("Content-Type", ""), raw)
        if form:
            self.answer(Request(self.command, path, headers, dict(form.fields), form.files))
            return
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = None
        valid = body if isinstance(body, dict) else None
        self.answer(Request(self.command, path, headers, valid))

    do_GET = do_HEAD = do_POST = do_DELETE = _serve

    def send(self, reply: Reply) -> None:
        """Send a whole reply."""
        self._body(self._start(reply))

    def send_half(self, reply: Reply) -> None:
        """Send a reply's head and the first half of its body."""
        body = self._start(reply)
        self._body(body[: len(body) // 2])

    def _start(self, reply: Reply) -> bytes:
        content_type, body = reply.encoded()
        self.send_response(reply.status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        return body

    def _body(self, body: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_stream(self, stream: Stream) -> None:
        """Send a stream."""
        self.send_response(200)
        self.send_header("Content-Type", stream.content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in stream.pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def drop(self, *, reset: bool = False) -> None:
        """End the TCP connection at once, without TLS's or HTTP's farewell; RST with `reset`."""
        if reset:
            abort(self.connection)
        else:
            drop(self.connection)
        self.close_connection = True

    def client_left(self) -> bool:
        """Return whether the client hung up: it has nothing else to say while it waits."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the control port tells what was asked."""


class Server(ThreadingHTTPServer):
    """A threaded server, by TLS where a context is given, that can drop its connections."""

    request_queue_size = 128

    def __init__(
        self, address: Address, handler: Callable[..., Handler], tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen on `address`; OSError that names it where that is not possible."""
        self._tls = tls
        self._open: set[socket.socket] = set()
        try:
            super().__init__(address, cast(type[Handler], handler))
        except OSError as error:
            place = f"{address[0]}:{address[1]}"
            raise OSError(
                f"cannot listen on {place}: {error.strerror}; choose another address or stop"
                " what listens there"
            ) from error

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (inherited)
        """Serve one connection; the TLS handshake is made here, in the connection's thread."""
        connection = self._tls.wrap_socket(request, server_side=True) if self._tls else request
        self._open.add(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            self._open.discard(connection)
            connection.close()

    def lose_packets(self, lost: bool) -> None:
        """Lose every packet of open and new connections without a word, or no longer (socket(7)).

        Connections inherit the filter of the socket that they came in by.
        """
        for connection in (self.socket, *self._open.copy()):
            if lost:
                connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, _DROP_ALL)
            else:
                with contextlib.suppress(FileNotFoundError):  # it has none
                    connection.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def drop_connections(self) -> None:
        """End every open connection, as the end of the process would."""
        for connection in self._open.copy():
            drop(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (inherited)
        """Report what went wrong in a handler, unless it is just a client that left."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
