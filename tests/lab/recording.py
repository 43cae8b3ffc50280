"""A way to a server that notes what is sent along it, whoever the server is."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import httpx


class Recording:
    """Passes requests on to ``url``; ``requests`` has the path and the JSON of each."""

    def __init__(self, url: str) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._client = httpx.Client(base_url=url, timeout=120, trust_env=False)
        requests, client = self.requests, self._client

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if data:
                    requests.append((self.path, json.loads(data)))
                kept = ("authorization", "content-type", "accept")
                headers = {n: v for n, v in self.headers.items() if n.lower() in kept}
                # Also for what is no path: a gateway asks OPTIONS * for a sign of life.
                whole = {"target": self.path.encode()}
                with client.stream(
                    self.command, "/", content=data, headers=headers, extensions=whole
                ) as got:
                    self.send_response(got.status_code)
                    self.send_header("Content-Type", got.headers.get("content-type", ""))
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for piece in got.iter_raw():
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n")

            do_POST = do_OPTIONS = do_GET

            def log_message(self, *_: object) -> None:
                """Not a word."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens, on loopback."""
        return self._server.server_address[1]

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()
