"""A mirror: the files of a folder, by http.

    python -m llmrack_lab.standins.mirror --listen ADDR:PORT --dir DIR

What it is told, and how files can come badly: :mod:`llmrack_lab.standins.downloads`.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from urllib.parse import unquote

from .downloads import DownloadHandler, Downloads
from .http import Address, Reply, Request


class Mirror(Downloads):
    """The server; it answers for a folder with the ``index.html`` in it, if there is one.

    Raises OSError where the address cannot be bound.
    """

    def __init__(self, address: Address, directory: Path) -> None:
        super().__init__(address, _Handler)
        self.directory = directory


class _Handler(DownloadHandler):
    server: Mirror

    def answer(self, request: Request) -> None:
        reply = self.command_reply(request)
        if reply:
            return self.send(reply)
        # A release that somebody gave is a link to another folder.
        path = self.server.directory / unquote(request.path).lstrip("/")
        page = path.is_dir()
        if page:
            path /= "index.html"
        if not path.is_file() or ".." in path.parts:
            return self.send(Reply("there is no such file", 404))
        return self.send_file(request, path, {"Content-Type": "text/html"} if page else {})


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM or SIGINT; SystemExit with one sentence where that cannot start."""
    parser = argparse.ArgumentParser(
        "python -m llmrack_lab.standins.mirror", description="a mirror: the files of a folder"
    )
    parser.add_argument("--listen", required=True, metavar="ADDR:PORT")
    parser.add_argument("--dir", required=True, type=Path, help="folder to serve")
    given = parser.parse_args(arguments)
    host, _, port = given.listen.rpartition(":")
    try:
        server = Mirror((host, int(port)), given.dir)
    except (OSError, ValueError) as error:
        sys.exit(f"the mirror cannot start: {error}")
    for number in (signal.SIGTERM, signal.SIGINT):
        # Raised in the main thread, which serves; the other threads are daemons.
        signal.signal(number, lambda *_: sys.exit(0))
    print(f"mirror of {given.dir} on http://{given.listen}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
