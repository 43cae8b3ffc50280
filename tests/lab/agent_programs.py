"""Real agents and SDKs from the package registries, each in a home of its own."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from bench.gateway_python import CACHE
from llmrack.observe.clients.clients import CLIENTS, configuration
from llmrack.stack.fleet import Fleet
from llmrack.stack.schema import Stack

FOLDER = Path(__file__).with_name("agents")
LOCKS = [FOLDER / name for name in ("requirements.txt", "package-lock.json")]
# Two come as their binaries for this kind of machine: the packages that choose one of several name
# some in their lock file that not every registry has.
PATHS = ("venv/bin", "node_modules/.bin", "node_modules/opencode-linux-x64/bin")
MACHINE = "x86_64"
PLACE = re.compile(r"save it as (?:~/)?([^\s,;]+)")


def agent_programs() -> Path:
    """Where they are, as pinned by the lock files; kept in the lab's cache (some 1.7 GiB)."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()[:12]
    folder = CACHE / f"agents-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if (folder / "whole").exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in (*LOCKS, FOLDER / "package.json"):
            shutil.copy(file, folder)
        uv, python = Path(sys.executable).with_name("uv"), folder / "venv" / "bin" / "python"
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder / "venv"], check=True)
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "--no-deps",
             "-r", folder / "requirements.txt"],
            env={**os.environ, "UV_CACHE_DIR": str(CACHE / "uv-of-tests")},
            check=True,
        )  # fmt: skip
        subprocess.run(
            [python.with_name("npm"), "ci", "--no-audit", "--no-fund", "--loglevel", "error"],
            cwd=folder,
            env={**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}"},
            check=True,
        )
        (folder / "whole").touch()
    return folder


class Elsewhere:
    """A proxy that connects to nowhere, and notes who was to be reached."""

    def __init__(self) -> None:
        asked: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                asked.add(self.path)
                self.send_error(403)

            do_GET = do_POST = do_HEAD = do_CONNECT

            def log_message(self, *_: object) -> None:
                """Not a word."""

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """The environment that leads programs here."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        found = dict.fromkeys((*names, *map(str.lower, names)), url)
        return found | dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Home:
    """Somebody's home and working folder, with the programs in the path and a key.

    + environment: further variables
    """

    def __init__(self, folder: Path, programs: Path, environment: dict[str, str]) -> None:
        self.elsewhere = Elsewhere()
        self.folder, self.work, self.programs = folder, folder / "work", programs
        self.work.mkdir()
        # Where scripts for Node look for what they import.
        (self.work / "node_modules").symlink_to(programs / "node_modules")
        path = [programs / at for at in PATHS]
        self.environment = {
            "PATH": ":".join([*map(str, path), os.environ["PATH"]]),
            "HOME": str(folder),
            **{f"XDG_{name}_HOME": str(folder / name) for name in ("DATA", "CACHE", "STATE")},
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "TERM": "dumb",
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
            **self.elsewhere.variables,
            **environment,
        }
        self._source: Path | None = None

    def __enter__(self) -> Home:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what the programs have left behind; it has this home in its environment."""
        mark = f"HOME={self.folder}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes() + b"\0":
                    os.kill(int(process.name), signal.SIGKILL)
        self.elsewhere.close()

    def configure(self, client: str, stack: Stack, fleet: Fleet) -> Path:
        """Put what `llmrack client` prints where it says that it belongs."""
        text = configuration(client, stack, fleet, fleet.gateways[0])
        told = CLIENTS[client].place
        place = PLACE.search(told)
        name = place[1] if place else f"{client}.txt"
        file = (self.folder if f"~/{name}" in told else self.work) / name
        if told.startswith("source it"):
            self._source = file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def script(self, name: str) -> Path:
        """One of tests/lab/agents, put into the working folder."""
        return Path(shutil.copy(FOLDER / name, self.work))

    def run(self, *command: str | Path, says: str = "") -> str:
        """What a program prints; it must end well.

        + says: on its standard input
        """
        words = [str(word) for word in command]
        if self._source:
            words = ["bash", "-c", f'. {self._source} && exec "$@"', "bash", *words]
        done = subprocess.run(
            words,
            cwd=self.work,
            env=self.environment,
            input=says,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr
