"""A stand-in of ``registry.ollama.ai``: serves a models directory to ``ollama pull``.

    python -m llmrack_lab.standins.registry --listen ADDR:PORT --cert FILE --key FILE --dir DIR

Without ``--cert`` it speaks plain http, which a pull with ``insecure`` uses. What it is told, and
how blobs can come badly: :mod:`llmrack_lab.standins.downloads`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import signal
import ssl
import sys
from pathlib import Path

from .downloads import DownloadHandler, Downloads
from .http import Address, Reply, Request
from .ollama.store import MANIFEST_TYPE

_PATH = re.compile(r"/v2/([\w.-]+)/([\w.-]+)/(manifests|blobs)/([\w.:-]+)", re.ASCII)


class Registry(Downloads):
    """The server.

    Args:
        address: host and port to listen on; port 0 takes a free one.
        directory: a models directory as Ollama lays it out.
        tls: speak https with this context; None for plain http.

    Raises:
        OSError: the address cannot be bound.
    """

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


class _Handler(DownloadHandler):
    server: Registry

    def answer(self, request: Request) -> None:
        match = _PATH.fullmatch(request.path)
        if match is None:
            unknown = _error(404, "NAME_UNKNOWN", "repository name not known to registry")
            self.send(self.command_reply(request) or unknown)
        elif match[3] == "manifests":
            self._manifest(self.server.manifests / match[1] / match[2] / match[4])
        else:
            self._blob(request, self.server.blobs / match[4].replace(":", "-"))

    def _manifest(self, path: Path) -> None:
        if not path.is_file():
            return self.send(_error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
        content = path.read_bytes()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        headers = {"Content-Type": MANIFEST_TYPE, "Docker-Content-Digest": digest}
        self.head(200, len(content), headers)
        if self.command == "GET":
            self.wfile.write(content)
        return None

    def _blob(self, request: Request, path: Path) -> None:
        if not path.is_file():
            return self.send(_error(404, "BLOB_UNKNOWN", "blob unknown to registry"))
        # registry.ollama.ai redirects to a store elsewhere. Ollama takes the address to download
        # from out of this header (server/download.go) and does not mind that it is no redirect.
        address = f"{self.server.scheme}://{request.headers.get('Host')}{self.path}"
        return self.send_file(request, path, {"Location": address})


def _error(status: int, code: str, message: str) -> Reply:
    """An error as the OCI distribution specification writes it."""
    return Reply({"errors": [{"code": code, "message": message}]}, status)


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM or SIGINT; SystemExit with one sentence where that cannot start."""
    parser = argparse.ArgumentParser(
        "python -m llmrack_lab.standins.registry", description="stand-in of registry.ollama.ai"
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
