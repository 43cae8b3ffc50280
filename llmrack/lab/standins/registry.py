"""A stand-in of ``registry.ollama.ai``: serves a models directory to ``ollama pull``.

    python -m llmrack.lab.standins.registry --listen ADDR:PORT --cert FILE --key FILE --dir DIR

Without ``--cert`` it speaks plain http, which a pull with ``insecure`` uses. ``GET
/__standin__/bytes`` says how many bytes of blobs it has sent. ``POST /__standin__/rate`` with
``{"bytes_per_s": N | null}`` limits what all answers together send, as a slow line to the internet
does. ``POST /__standin__/fault`` with ``{"mode": "stall" | "reset" | "ok"}`` makes blobs stop
coming after their first bytes, or makes their connections break.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import signal
import ssl
import sys
import threading
import time
from pathlib import Path

from .http import Address, Handler, Reply, Request, Server
from .ollama.store import MANIFEST_TYPE

FAULTS = ("ok", "stall", "reset")

_PATH = re.compile(r"/v2/([\w.-]+)/([\w.-]+)/(manifests|blobs)/([\w.:-]+)", re.ASCII)
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CHUNK_BYTES = 64 * 1024


class Registry(Server):
    """The server.

    Args:
        address: host and port to listen on; port 0 takes a free one.
        directory: a models directory as Ollama lays it out.
        tls: speak https with this context; None for plain http.

    Raises:
        OSError: the address cannot be bound.
    """

    daemon_threads = True

    def __init__(
        self,
        address: Address,
        directory: Path,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, _Handler, tls)
        self.manifests = directory / "manifests" / "registry.ollama.ai"
        self.blobs = directory / "blobs"
        self.scheme = "https" if tls else "http"
        self.rate: int | None = None
        """Bytes per second of all answers together; None for no limit."""
        self.bytes_sent = 0
        self._due = 0.0
        self._fault = "ok"
        self._changed = threading.Condition()

    def set_fault(self, mode: str) -> None:
        """Fail in one of :data:`FAULTS` from now on; what stalls goes on when that ends."""
        with self._changed:
            self._fault = mode
            self._changed.notify_all()

    def count(self, number: int) -> float:
        """Note that bytes of a blob were sent; returns the seconds to wait before the next."""
        with self._changed:
            self.bytes_sent += number
            if not self.rate:
                return 0.0
            now = time.monotonic()
            self._due = max(self._due, now) + number / self.rate
            return self._due - now

    def breaks(self) -> bool:
        """Wait while blobs stall; whether their connections have to break."""
        with self._changed:
            while self._fault == "stall":
                self._changed.wait()
            return self._fault == "reset"


class _Handler(Handler):
    server: Registry

    def answer(self, request: Request) -> None:
        match = _PATH.fullmatch(request.path)
        if match is None:
            self.send(self._command(request))
        elif match[3] == "manifests":
            self._manifest(self.server.manifests / match[1] / match[2] / match[4])
        else:
            self._blob(request, self.server.blobs / match[4].replace(":", "-"))

    def _command(self, request: Request) -> Reply:
        match request.method, request.path:
            case "GET", "/__standin__/bytes":
                return Reply({"bytes_sent": self.server.bytes_sent})
            case "POST", "/__standin__/rate":
                rate = (request.body or {}).get("bytes_per_s")
                if rate is not None and not (isinstance(rate, int) and rate > 0):
                    return _error(400, "UNSUPPORTED", "bytes_per_s must be a whole number or null")
                self.server.rate = rate
                return Reply({"bytes_per_s": rate})
            case "POST", "/__standin__/fault":
                mode = (request.body or {}).get("mode")
                if mode not in FAULTS:
                    return _error(400, "UNSUPPORTED", f"mode must be one of {', '.join(FAULTS)}")
                self.server.set_fault(mode)
                return Reply({"mode": mode})
        return _error(404, "NAME_UNKNOWN", "repository name not known to registry")

    def _manifest(self, path: Path) -> None:
        if not path.is_file():
            return self.send(_error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
        content = path.read_bytes()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._head(200, len(content), MANIFEST_TYPE, {"Docker-Content-Digest": digest})
        if self.command == "GET":
            self.wfile.write(content)
        return None

    def _blob(self, request: Request, path: Path) -> None:
        if not path.is_file():
            return self.send(_error(404, "BLOB_UNKNOWN", "blob unknown to registry"))
        size = path.stat().st_size
        wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        end = min(int(wanted[2]) + 1, size) if wanted and wanted[2] else size
        if wanted and start >= end:
            return self._head(416, 0, "", {"Content-Range": f"bytes */{size}"})
        # registry.ollama.ai redirects to a store elsewhere. Ollama takes the address to download
        # from out of this header (server/download.go) and does not mind that it is no redirect.
        address = f"{self.server.scheme}://{request.headers.get('Host')}{self.path}"
        headers = {"Accept-Ranges": "bytes", "Location": address}
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self._head(206 if wanted else 200, end - start, "application/octet-stream", headers)
        if self.command == "GET":
            self._send(path, start, end - start)
        return None

    def _send(self, path: Path, start: int, length: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            sent = 0
            while sent < length:
                if sent and self.server.breaks():
                    return self.drop()
                written = self.wfile.write(file.read(min(_CHUNK_BYTES, length - sent)))
                sent += written
                time.sleep(self.server.count(written))
        return None

    def _head(self, status: int, length: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def _error(status: int, code: str, message: str) -> Reply:
    """An error as the OCI distribution specification writes it."""
    return Reply({"errors": [{"code": code, "message": message}]}, status)


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM or SIGINT; SystemExit with one sentence where that cannot start."""
    parser = argparse.ArgumentParser(
        "python -m llmrack.lab.standins.registry", description="stand-in of registry.ollama.ai"
    )
    parser.add_argument("--listen", required=True, metavar="ADDR:PORT")
    parser.add_argument("--dir", required=True, type=Path, help="models directory to serve")
    parser.add_argument("--cert", type=Path, help="PEM file: serve https with this certificate")
    parser.add_argument("--key", type=Path, help="PEM file: the certificate's private key")
    given = parser.parse_args(arguments)
    host, _, port = given.listen.rpartition(":")
    tls = None
    try:
        if given.cert:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(given.cert, given.key)
        server = Registry((host, int(port)), given.dir, tls)
    except (OSError, ValueError) as error:
        sys.exit(f"the registry stand-in cannot start: {error}")
    for number in (signal.SIGTERM, signal.SIGINT):
        # Raised in the main thread, which serves; the other threads are daemons.
        signal.signal(number, lambda *_: sys.exit(0))
    print(f"stand-in of registry.ollama.ai on {server.scheme}://{given.listen}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
