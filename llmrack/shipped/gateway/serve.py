"""Serve LiteLLM's proxy on one listening socket: systemd's, or for a candidate one of its own.

    python -I serve.py                          the socket passed in by a systemd .socket unit
    python -I serve.py --listen 127.0.0.1:4999  exactly this address, or an error
    python -I serve.py --strict --listen ...    look for mistakes in the configuration first

LiteLLM's own command line takes a random port if the wanted one is taken; this program exits.
The environment: CONFIG_FILE_PATH names LiteLLM's configuration; GRACEFUL_SHUTDOWN_TIMEOUT is how
many seconds requests may go on after SIGTERM (LiteLLM's default: 30). The keys come from systemd's
credential if there is one, else from the environment too. systemd receives READY=1 and STOPPING=1
(Type=notify; protocols: sd_listen_fds(3), sd_notify(3)).

LLMRACK_PRIVATE_SOCKET names a Unix socket on which only this process answers. While a file beside
it has the same name with .hold instead of .sock, the process answers on that socket alone. The
watchdog (WatchdogSec=) asks that socket: see watchdog.py.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import os
import socket
import sys
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from .dialect import worded
from .garbage import collect_between_steps, collect_nothing
from .load_keys import load_keys
from .log_file import flush_all
from .release import read_json
from .requests.body import App, limited
from .transcript_form import as_asked
from .watchdog import watch

FIRST_PASSED_FD = 3
# The exit status for mistakes in the configuration.
MISTAKES = 4
# LiteLLM's limits a minute of a deployment.
LIMITS = {"rpm", "tpm"}
# If the server closes an idle connection just when a request is sent, the request is lost, and no
# client may repeat a POST by itself (RFC 9112, 9.3.1). So the server keeps such connections for
# longer than clients do: 5 s in httpx, which OpenAI's SDK uses, 15 s in aiohttp, 60 s in nginx.
IDLE_SECONDS = 75
# The same once the server stops: above the 5 s of OpenAI's SDK.
LAST_IDLE_SECONDS = 8
# Seconds after which a release answers in spite of a .hold file: the deploy that wrote it has died.
HOLD_SECONDS = 30
# Seconds to write the logs when the server has stopped.
LOGS_SECONDS = 3


def main() -> None:
    """Serve until SIGTERM; exit 1 with a sentence if that cannot start, 3 if LiteLLM fails.

    Exits 4 if --strict finds mistakes, and prints each on a line.
    """
    parser = argparse.ArgumentParser(description="Serve LiteLLM's proxy on one socket.")
    parser.add_argument("--listen", metavar="ADDR:PORT", help="bind this, take no passed socket")
    parser.add_argument("--strict", action="store_true", help="check the configuration first")
    args = parser.parse_args()
    collect_nothing()
    # When systemd's watchdog sends SIGABRT, print where the process was stuck.
    faulthandler.enable()
    require_config()
    load_keys()
    if args.strict:
        # In this process, so that LiteLLM, which takes seconds to import, is imported once.
        from .strict_check import mistakes_in

        if problems := mistakes_in(Path(os.environ["CONFIG_FILE_PATH"])):
            print(*problems, sep="\n", flush=True)
            sys.exit(MISTAKES)
    listener = bind(args.listen) if args.listen else passed_socket()
    config = uvicorn.Config(
        limited_proxy,
        factory=True,
        http=Connection,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=drain_seconds(),
    )
    server = NotifyingServer(config)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(3)


def limited_proxy() -> App:
    """LiteLLM's proxy, which takes seconds to import, with our pages and checks."""
    from . import model_info
    from .litellm_parts import proxy

    app = proxy()
    model_info.add_to(app, read_json("routing.json"))
    return worded(as_asked(limited(app)))


class Connection(H11Protocol):
    """A connection that the server's stop does not cut: its next answer says that it closes."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin; a connection accepted just before the stop is treated like the others."""
        super().connection_made(transport)
        self._wait_for_request()
        if CLOSE_HEADER in self.server_state.default_headers:
            self.shutdown()

    def data_received(self, data: bytes) -> None:
        """Read without restarting the idle timer.

        uvicorn restarts it, and so never closes a connection that sends a byte now and then.
        """
        self.conn.receive_data(data)
        self.handle_events()

    def _wait_for_request(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def shutdown(self) -> None:
        """Close after the next answer, or after an idle time.

        uvicorn calls this when it stops, and waits until all connections are closed.
        """
        self.timeout_keep_alive = LAST_IDLE_SECONDS
        if self.cycle is None or self.cycle.response_complete:
            self._unset_keepalive_if_required()
            self._wait_for_request()
        elif not self.cycle.response_started:
            self.cycle.default_headers = self.server_state.default_headers


class NotifyingServer(uvicorn.Server):
    """A server that tells systemd when it answers and when it stops."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then notify systemd."""
        private = os.environ.get("LLMRACK_PRIVATE_SOCKET")
        hold = Path(private).with_suffix(".hold") if private else None
        if hold and not hold.exists():
            hold = None
        await super().startup(sockets=[] if hold else sockets)
        if not self.started:
            return
        loop = asyncio.get_running_loop()
        if private:
            self.servers.append(await loop.create_unix_server(self._unlogged, path=private))
        await warm_up()
        collect_between_steps(loop)
        notify("READY=1")
        watch(private, notify)
        if hold:
            self._held = asyncio.create_task(self._accept_without(hold, sockets or []))

    async def _accept_without(self, hold: Path, sockets: list[socket.socket]) -> None:
        """Accept from ``sockets`` when the file ``hold`` is gone, or after HOLD_SECONDS."""
        loop = asyncio.get_running_loop()
        end = loop.time() + HOLD_SECONDS
        while hold.exists() and loop.time() < end:
            await asyncio.sleep(0.05)
        if not self.should_exit:
            for listener in sockets:
                self.servers.append(
                    await loop.create_server(
                        self._connection, sock=listener, backlog=self.config.backlog
                    )
                )

    def _connection(self) -> Connection:
        return Connection(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    def _unlogged(self) -> Connection:
        connection = self._connection()
        connection.access_log = False
        return connection

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Notify systemd, take no more connections, then let the running requests end."""
        notify("STOPPING=1")
        for server in self.servers:
            server.close()
        state = self.server_state
        state.default_headers = [*state.default_headers, CLOSE_HEADER]
        notify("STATUS=accepts no more connections")
        await super().shutdown(sockets=sockets)
        await write_logs()


async def write_logs() -> None:
    """Write the log lines of the last requests, for LOGS_SECONDS at most each."""
    from .litellm_parts import flush_logs

    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
        await asyncio.wait_for(flush_logs(), LOGS_SECONDS)
    flush_all(LOGS_SECONDS)


async def warm_up() -> None:
    """Send the first requests: LiteLLM loads code for a second with them.

    They go through its router. ``mock_response`` is its own parameter for an answer without a
    server (the proxy accepts it from no client; seen with 1.106.12).
    """
    from .litellm_parts import router

    asked = router()
    # A model with a limit is left to clients.
    names = [
        row["model_name"]
        for row in asked.get_model_list() or []
        if row["model_info"].get("mode") == "chat" and not LIMITS & row["litellm_params"].keys()
    ]
    ask = {"messages": [{"role": "user", "content": "ok"}], "mock_response": "ok"}
    if names:
        await asked.acompletion(model=names[0], **ask)
        async for _ in await asked.acompletion(model=names[0], stream=True, **ask):
            pass


def require_config() -> None:
    """Exit unless CONFIG_FILE_PATH names a readable file: LiteLLM would serve no model then."""
    name = os.environ.get("CONFIG_FILE_PATH", "")
    if not name:
        sys.exit("CONFIG_FILE_PATH is not set: set it to the gateway's config.yaml")
    try:
        Path(name).read_bytes()
    except OSError as error:
        sys.exit(f"CONFIG_FILE_PATH: cannot read {name}: {error.strerror}; correct the path")


def drain_seconds() -> int:
    """Return GRACEFUL_SHUTDOWN_TIMEOUT in whole seconds; exit where it is no number."""
    text = os.environ.get("GRACEFUL_SHUTDOWN_TIMEOUT", "30")
    try:
        return int(float(text))
    except ValueError:
        sys.exit("GRACEFUL_SHUTDOWN_TIMEOUT is not a number of seconds: correct or unset it")


def bind(address: str) -> socket.socket:
    """Return a socket that listens on exactly `ADDR:PORT`; exit where that is not possible."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        sys.exit(f"--listen {address}: not an ADDR:PORT with a port of 1-65535; correct it")
    try:
        return socket.create_server((host, int(port)), backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        sys.exit(f"cannot listen on {address}: {reason}; free it or choose another port")


def passed_socket() -> socket.socket:
    """Return the one socket that systemd passed to this process; exit where it did not."""
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    pid = os.environ.pop("LISTEN_PID", "")
    if count != 1 or pid != str(os.getpid()):
        sys.exit(
            f"systemd passed {count if pid == str(os.getpid()) else 0} sockets, 1 is needed:"
            " name the .socket unit in Sockets= of this service, or give --listen ADDR:PORT"
        )
    os.set_inheritable(FIRST_PASSED_FD, False)
    return socket.socket(fileno=FIRST_PASSED_FD)


def notify(state: str) -> None:
    """Send `state` to systemd, where it asked for it by NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)
