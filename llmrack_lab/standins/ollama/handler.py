"""One connection to ``ollama serve``: requests are read, answers are written."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import urlsplit

from . import STANDIN_VERSION, messages, openai, transcriptions
from .backstage import PREFIX
from .connections import abort, drop
from .errors import ApiError
from .faults import NO_FAULT, Broken, Fault
from .generation import Whole
from .routes import Route, Routes
from .settings import go_duration
from .types import JsonObject

_BODY_CHUNK = 256 * 1024


class Served(ThreadingHTTPServer):
    """A server whose requests a handler answers.

    Attributes:
        routes: what answers the requests.
        loopback: whether it listens on a loopback address.
    """

    routes: Routes
    loopback: bool


class Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, finds the route, writes the answer."""

    protocol_version = "HTTP/1.1"
    server_version = f"ollama-standin/{STANDIN_VERSION}"
    disable_nagle_algorithm = True
    server: Served

    def do_GET(self) -> None:
        """Answer a request of any method."""
        began, self._status = time.perf_counter(), 200
        try:
            self._answer()
        except ApiError as error:
            self._error(error)
        except Broken as broken:
            self.close_connection = True
            if broken.reset:
                abort(self.connection)
            else:
                drop(self.connection)
        finally:
            self._log_access(time.perf_counter() - began)

    do_HEAD = do_POST = do_DELETE = do_PUT = do_GET

    def do_OPTIONS(self) -> None:
        """Answer ``OPTIONS *`` as Go's server does: no route sees it, and no log."""
        if self.path != "*":
            return self.do_GET()
        faults = self.server.routes.backstage.faults
        try:
            fault = faults.striking("", inference=False)
            self.server.routes.backstage.suffer(fault, self._client_is_gone)
        except ApiError:
            # Faults of routes.
            pass
        self._head(200, length=0)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Remember the status for the access log, whose line is written when all is done."""
        self._status = int(code)

    def _log_access(self, seconds: float) -> None:
        """Write the line of the access log as Gin does (gin-gonic/gin's logger.go)."""
        now = time.strftime("%Y/%m/%d - %H:%M:%S")
        took = go_duration(seconds)
        address, request = self.address_string(), f'{self.command:<7}  "{self.path}"'
        line = f"[GIN] {now} | {self._status:3} | {took:>13} | {address:>15} | {request}"
        print(line, flush=True)

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        # A server on loopback refuses names that a web page could make point to it.
        if self.server.loopback and not _allowed_host(self.headers.get("Host", "")):
            # The body is not read, so that the connection cannot be used again.
            self.close_connection = True
            return self._head(403, length=0)
        if path.startswith("/api/blobs/"):
            return self._blob(path.removeprefix("/api/blobs/"))
        body = self._form() if path == transcriptions.PATH else self._json_body()
        if path.startswith(PREFIX):
            return self._json(self.server.routes.backstage.answer(self.command, path, body or {}))
        self.server.routes.backstage.record(self.command, path, self.headers.items(), body)
        if self.command == "GET" and path.startswith("/v1/models/"):
            return self._json(self.server.routes.v1_model(path.removeprefix("/v1/models/")))
        table = self.server.routes.table
        route = table.get((self.command, path))
        if route is None:
            known = any(path == route for _, route in table)
            status, text = (405, "405 method not allowed") if known else (404, "404 page not found")
            return self._text(status, text)
        if body is None and not route.bodiless:
            raise ApiError(400, "missing request body")
        return self._run(route, body or {})

    def _run(self, route: Route, body: JsonObject) -> None:
        if not route.inference:
            return self._suffer(route, body)
        with self.server.routes.scheduler.slot():
            self._suffer(route, body)

    def _suffer(self, route: Route, body: JsonObject) -> None:
        """Answer with the present fault, if that is about this request."""
        fault = self.server.routes.suffer(route, body, self._client_is_gone)
        answer = self.server.routes.answer(route, body)
        result = self._collected(answer) if isinstance(answer, Whole) else answer
        if fault.mode == "error" and isinstance(result, dict):
            raise ApiError(500, "the model stopped working (a fault that was set)")
        self._result(result, fault)

    def _result(
        self, result: JsonObject | Iterator[JsonObject] | Iterator[str] | str | None, fault: Fault
    ) -> None:
        if result is None:
            return self._head(200, length=0)
        if isinstance(result, str):
            return self._text(200, result)
        if isinstance(result, dict):
            return self._json(result, fault=fault)
        return self._stream(result, fault)

    def _collected(self, answer: Whole) -> JsonObject:
        """An answer in one piece, unless its client leaves meanwhile."""

        def heard() -> Iterator[JsonObject]:
            for chunk in answer.chunks:
                if self._client_is_gone():
                    raise ConnectionError("client has left")
                yield chunk

        return answer.collect(heard())

    def _stream(self, parts: Iterator[JsonObject] | Iterator[str], fault: Fault) -> None:
        """Send parts as they come; an error after the first one becomes the last line."""
        # The first part decides on the status, so it is had before the head is sent.
        first = next(parts)
        events = isinstance(first, str)
        kind = "text/event-stream" if events else "application/x-ndjson"
        self._head(200, kind, length=None)
        try:
            faults = self.server.routes.backstage.faults
            for part in faults.stream(fault, itertools.chain([first], parts), self._client_is_gone):
                self._chunk(part if isinstance(part, str) else json.dumps(part) + "\n")
        except ApiError as error:
            # Where the answer is translated to events, what Ollama makes of an error says nothing.
            if not events:
                self._chunk(json.dumps({"error": error.message}) + "\n")
        self._chunk("")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _json(
        self,
        content: JsonObject,
        status: int = 200,
        fault: Fault = NO_FAULT,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        data = json.dumps(content).encode()
        self._head(status, "application/json; charset=utf-8", len(data), headers)
        if fault.mode in ("cut", "reset"):
            self._body(data[: len(data) // 2])
            raise Broken(reset=fault.mode == "reset")
        self._body(data)

    def _text(self, status: int, text: str) -> None:
        self._head(status, "text/plain; charset=utf-8", len(text))
        self._body(text.encode())

    def _error(self, error: ApiError) -> None:
        path = self.path.partition("?")[0]
        body: JsonObject = {"error": error.message}
        # What is refused before a request is translated has Ollama's own form at all other paths.
        native = error.native and path != transcriptions.PATH
        if path == messages.PATH and not native:
            body = messages.error_body(error.status, error.message)
        elif path.startswith("/v1/") and not native:
            body = openai.error_body(error.status, error.message)
        wait = error.retry_after
        self._json(body, error.status, headers={} if wait is None else {"Retry-After": f"{wait:g}"})

    def _head(
        self,
        status: int,
        kind: str = "",
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _body(self, data: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(data)

    def _form(self) -> JsonObject:
        kind = self.headers.get("Content-Type", "")
        return transcriptions.read_form(kind, b"".join(self._body_chunks()))

    def _json_body(self) -> JsonObject | None:
        """The request's JSON object; None when there should be a body and is none.

        Raises:
            ApiError: 400, not a JSON object.
        """
        data = b"".join(self._body_chunks())
        if not data:
            return None if self.command in ("POST", "DELETE") else {}
        try:
            body = json.loads(data)
        except ValueError as error:
            raise ApiError(400, f"invalid JSON: {error}") from None
        if not isinstance(body, dict):
            raise ApiError(400, "json: cannot unmarshal into a JSON object")
        return body

    def _body_chunks(self) -> Iterable[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        remaining = int(self.headers.get("Content-Length") or 0)
        while remaining > 0:
            chunk = self.rfile.read(min(remaining, _BODY_CHUNK))
            if not chunk:
                raise ConnectionError("client has left")
            remaining -= len(chunk)
            yield chunk

    def _blob(self, digest: str) -> None:
        store = self.server.routes.store
        try:
            exists = store.blob_path(digest).exists()
        except ValueError as error:
            self.close_connection = True
            raise ApiError(400, str(error)) from None
        if self.command == "HEAD":
            return self._head(200 if exists else 404, length=0)
        if exists:
            for _ in self._body_chunks():
                pass
            return self._head(200, length=0)
        got, new = store.add(self._body_chunks(), "")
        if got["digest"] != digest:
            if new:
                store.remove_unused([got["digest"]])
            raise ApiError(400, f'digest mismatch, expected "{digest}", got "{got["digest"]}"')
        return self._head(201, length=0)

    def _client_is_gone(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return False


def _allowed_host(header: str) -> bool:
    """Whether a Host header may be used on a loopback address (Ollama's ``allowedHost``)."""
    host = (urlsplit(f"//{header}").hostname or "").lower()
    with contextlib.suppress(ValueError):
        address = ip_address(host)
        return address.is_loopback or address.is_private or address.is_unspecified
    local = (".localhost", ".local", ".internal")
    return host in ("", "localhost", socket.gethostname().lower()) or host.endswith(local)
