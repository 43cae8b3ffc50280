"""A stand-in as a running program: its listener, its control port, its command line."""

from __future__ import annotations

import argparse
import functools
import os
import signal
import ssl
import sys
import threading

from llmrack_lab.standins.answers import JSON
from llmrack_lab.standins.http import Address, Handler, Reply, Request, Server
from llmrack_lab.standins.ollama.faults import Fault
from llmrack_lab.standins.provider import Provider

KEY_VARIABLE = "STANDIN_API_KEY"


class StandIn:
    """A provider that listens, and the control port that tells it what to do.

    Use as a context manager. `address` and `control_address` are where it was bound, also when
    port 0 was asked for. Control port (plain HTTP): `POST /fault`, `GET /requests`,
    `DELETE /requests`, `GET /`.
    """

    def __init__(
        self,
        provider: Provider,
        listen: Address,
        control: Address,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Bind both addresses; OSError where one of them is taken."""
        self.provider = provider
        self.address = listen
        self._tls = tls
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._control = Server(control, functools.partial(_Control, self))
        self.control_address: Address = self._control.server_address[:2]  # type: ignore[assignment]
        self._open()
        _serve(self._control)

    def __enter__(self) -> StandIn:
        """Return itself: it listens from its construction on."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening and end every connection."""
        self._close()
        self._control.shutdown()
        self._control.server_close()

    def set_fault(self, fault: Fault) -> None:
        """Show `fault` from now on; `refuse` closes the listener and every connection."""
        with self._lock:
            self.provider.fault = fault
            if fault.mode == "refuse":
                self._close()
            elif self._server is None:
                self._open()

    def lose_packets(self, lost: bool) -> None:
        """Lose every packet that clients send, of open connections too; or no longer."""
        with self._lock:
            if self._server is not None:
                self._server.lose_packets(lost)

    def _open(self) -> None:
        self._server = Server(self.address, functools.partial(_Service, self.provider), self._tls)
        self.address = self._server.server_address[:2]  # type: ignore[assignment]
        _serve(self._server)

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_connections()
            self._server = None


class _Service(Handler):
    def __init__(self, provider: Provider, *args: object) -> None:
        self._provider = provider
        super().__init__(*args)  # type: ignore[arg-type]

    def answer(self, request: Request) -> None:
        self._provider.serve(self, request)


class _Control(Handler):
    def __init__(self, standin: StandIn, *args: object) -> None:
        self._standin = standin
        super().__init__(*args)  # type: ignore[arg-type]

    def answer(self, request: Request) -> None:
        self.send(self._reply(request))

    def _reply(self, request: Request) -> Reply:
        provider = self._standin.provider
        match request.method, request.path:
            case "POST", "/fault":
                try:
                    self._standin.set_fault(Fault.parse(request.body, "all"))
                except ValueError as error:
                    return Reply({"error": str(error)}, 400)
                return Reply(self._summary())
            case "POST", "/keys":
                body = request.body or {}
                provider.accept(str(body["key"]), only=bool(body.get("only")))
                return Reply(self._summary())
            case "GET", "/requests":
                return Reply(list(provider.requests))
            case "DELETE", "/requests":
                provider.requests.clear()
                return Reply({"requests": 0})
            case "GET", "/":
                return Reply(self._summary())
        return Reply({"error": "use POST /fault or /keys, GET or DELETE /requests, or GET /"}, 404)

    def _summary(self) -> JSON:
        provider = self._standin.provider
        return {
            "standin": provider.name,
            "mode": provider.fault.mode,
            "models": list(provider.models),
            "honest": f"a stand-in, not {provider.stands_for}",
        }


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """Return the command line that every provider stand-in has."""
    result = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    for option, purpose in (
        ("--listen", "where to serve"),
        ("--control", "where to take commands, by plain HTTP"),
    ):
        result.add_argument(option, type=_address, required=True, metavar="ADDR:PORT", help=purpose)
    result.add_argument("--cert", help="PEM file: serve by TLS with this certificate chain")
    result.add_argument("--key", help="PEM file: the certificate's private key")
    return result


def key_from_environment(*, required: bool) -> str:
    """Return the API key to accept, from STANDIN_API_KEY; SystemExit where it has to be set."""
    key = os.environ.get(KEY_VARIABLE, "")
    if required and not key:
        sys.exit(f"{KEY_VARIABLE} is not set: export the API key that this stand-in shall accept")
    return key


def run(provider: Provider, args: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; SystemExit with one sentence where that cannot start."""
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    try:
        with StandIn(provider, args.listen, args.control, _tls(args)) as standin:
            scheme = "https" if args.cert else "http"
            print(
                f"stand-in of {provider.stands_for} on {scheme}://{_text(standin.address)},"
                f" control on http://{_text(standin.control_address)}",
                flush=True,
            )
            signal.sigwait(stop)
    except OSError as error:
        sys.exit(f"the {provider.name} stand-in cannot start: {error}")


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if not args.cert and not args.key:
        return None
    if not (args.cert and args.key):
        sys.exit("--cert and --key belong together: give both, or none for plain HTTP")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.cert, args.key)
    return context


def _serve(server: Server) -> None:
    loop = functools.partial(server.serve_forever, poll_interval=0.05)
    threading.Thread(target=loop, daemon=True).start()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not ADDR:PORT")
    return host, int(port)


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
