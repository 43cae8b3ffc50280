"""The sentences for a server that fails: cause and way out, the same for all commands.

The proof learns the cause from LiteLLM's error (explain.py), a test of a provider from the provider
itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmrack.verify.results import one_line

Kind = Literal[
    "key",
    "connection",
    "name",
    "TLS",
    "timeout",
    "not found",
    "rate limit",
    "server",
    "no list",
    "gateway",
]


@dataclass(frozen=True)
class Trouble:
    """The failure of a server.

    + kind: its class
    + cause: what is wrong, with the server as its subject
    + way_out: what to do
    """

    kind: Kind
    cause: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.cause}; {self.way_out}"


def untrusted(server: str, provider: str) -> Trouble:
    """The server's certificate is not trusted."""
    return Trouble(
        "TLS",
        f"{server} shows a certificate that the gateway's host does not trust",
        f"name its authority in providers.{provider}.tls_ca, or install it on that host",
    )


def no_address(server: str) -> Trouble:
    """The server's name has no address."""
    cause = f"there is no address for {server}"
    return Trouble("name", cause, "correct the name or its DNS")


def unreachable(server: str) -> Trouble:
    """The server does not accept the connection, whatever the reason."""
    return Trouble(
        "connection",
        f"the gateway cannot connect to {server}",
        "see whether it runs, whether a firewall is between, and whether its certificate is "
        "trusted",
    )


def not_through(server: str, proxy: str, error: str) -> Trouble:
    """The host's proxy gives no connection to the server.

    + error: what the proxy answers, or why it does not
    """
    return Trouble(
        "connection",
        f"the proxy {proxy} gives no connection to {server} ({error})",
        "see whether it lets this name through and whether proxy_login is right, or put the name "
        "into no_proxy (docs/proxies.md)",
    )


def key_refused(server: str, provider: str, secret: str | None, status: int) -> Trouble:
    """The server refuses the key.

    + secret: name of the secret that was sent; None if none is declared
    + status: HTTP status
    """
    way_out = (
        f"give a valid one: llmrack secrets rotate {secret}"
        if secret
        else f"name its secret in providers.{provider}.api_key"
    )
    return Trouble("key", f"{server} refuses the key ({status})", way_out)


def overloaded(server: str, message: str) -> Trouble:
    """The server is overloaded, or a quota is used up; ``message`` is the server's."""
    message = one_line(message, 120)
    cause = f"{server} is overloaded or its quota is used up (429: {message})"
    return Trouble("rate limit", cause, "wait")


def failed(server: str, status: int, message: str) -> Trouble:
    """The server answers with another error; ``message`` is the server's."""
    cause = f"{server} failed ({status}: {one_line(message, 160)})"
    return Trouble("server", cause, "see its journal")
