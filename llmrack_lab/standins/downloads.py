"""Sending files, well or badly: what the stand-ins of the registry and of the mirror share.

``GET /__standin__/bytes`` says how many bytes of files were sent. ``POST /__standin__/rate`` with
``{"bytes_per_s": N | null}`` limits what all answers together send, as a slow line to the internet
does. ``POST /__standin__/fault`` with ``{"mode": MODE}`` makes files come badly:

- ``stall``: nothing more after the first bytes
- ``reset``: the connection breaks after the first bytes
- ``damage``: one byte is another one
- ``short``, ``long``: Content-Length is half of what there is, or 1,000 bytes more
- ``loop``: a redirection to the same place
- ``ok``: as they are
"""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .http import Address, Handler, Reply, Request, Server

FAULTS = ("ok", "stall", "reset", "damage", "short", "long", "loop")

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
# What comes before a fault is less than the smallest file that is worth one.
_FIRST_BYTES, _CHUNK_BYTES = 8 * 1024, 64 * 1024
_TOO_LONG = 1000


class Downloads(Server):
    """A server of files; its arguments and errors are those of `Server`."""

    daemon_threads = True

    def __init__(
        self,
        address: Address,
        handler: Callable[..., Handler],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, handler, tls)
        self.rate: int | None = None
        """Bytes per second of all answers together; None for no limit."""
        self.bytes_sent = 0
        self._due = 0.0
        self._fault = "ok"
        self._changed = threading.Condition()

    @property
    def fault(self) -> str:
        """How files come: one of :data:`FAULTS`."""
        return self._fault

    def set_fault(self, mode: str) -> None:
        """Send so from now on; what stalls goes on when that ends."""
        with self._changed:
            self._fault = mode
            self._changed.notify_all()

    def count(self, number: int) -> float:
        """Note that bytes of a file were sent; returns the seconds to wait before the next."""
        with self._changed:
            self.bytes_sent += number
            if not self.rate:
                return 0.0
            now = time.monotonic()
            self._due = max(self._due, now) + number / self.rate
            return self._due - now

    def breaks(self) -> bool:
        """Wait while files stall; whether their connections have to break."""
        with self._changed:
            while self._fault == "stall":
                self._changed.wait()
            return self._fault == "reset"


class DownloadHandler(Handler):
    """A handler that sends files and takes the commands of the module's docstring."""

    server: Downloads

    def command_reply(self, request: Request) -> Reply | None:
        """The answer to a command; None where the request is none."""
        match request.method, request.path:
            case "GET", "/__standin__/bytes":
                return Reply({"bytes_sent": self.server.bytes_sent})
            case "POST", "/__standin__/rate":
                rate = (request.body or {}).get("bytes_per_s")
                if rate is not None and not (isinstance(rate, int) and rate > 0):
                    return Reply("bytes_per_s must be a whole number or null", 400)
                self.server.rate = rate
                return Reply({"bytes_per_s": rate})
            case "POST", "/__standin__/fault":
                mode = (request.body or {}).get("mode")
                if mode not in FAULTS:
                    return Reply(f"mode must be one of {', '.join(FAULTS)}", 400)
                self.server.set_fault(mode)
                return Reply({"mode": mode})
        return None

    def send_file(self, request: Request, path: Path, headers: Mapping[str, str]) -> None:
        """Send a file, or the range of it that was asked for."""
        size = path.stat().st_size
        wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        end = min(int(wanted[2]) + 1, size) if wanted and wanted[2] else size
        if wanted and start >= end:
            return self.head(416, 0, {"Content-Range": f"bytes */{size}"})
        if self.server.fault == "loop":
            return self.head(307, 0, {"Location": self.path})
        length = end - start
        stated = {"short": length // 2, "long": length + _TOO_LONG}.get(self.server.fault, length)
        more = {"Content-Range": f"bytes {start}-{end - 1}/{size}"} if wanted else {}
        self.head(
            206 if wanted else 200,
            stated,
            {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
            | dict(headers)
            | more,
        )
        if self.command == "GET":
            self._send(path, start, min(stated, length))
            if stated > length:
                self.drop()
        return None

    def _send(self, path: Path, start: int, length: int) -> None:
        wrong = path.stat().st_size // 2
        with path.open("rb") as file:
            file.seek(start)
            sent = 0
            while sent < length:
                if sent and self.server.breaks():
                    return self.drop()
                at = start + sent
                most = _CHUNK_BYTES if sent else _FIRST_BYTES
                chunk = bytearray(file.read(min(most, length - sent)))
                if self.server.fault == "damage" and at <= wrong < at + len(chunk):
                    chunk[wrong - at] ^= 1
                self.wfile.write(chunk)
                sent += len(chunk)
                time.sleep(self.server.count(len(chunk)))
        return None

    def head(self, status: int, length: int, headers: Mapping[str, str]) -> None:
        """Send the head of an answer whose body has so many bytes."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
