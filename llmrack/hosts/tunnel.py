"""HTTP through the SSH connection that is there anyway."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httpcore
import httpx
from paramiko import Channel, Transport
from pyinfra.api.host import Host
from urllib3.util.ssltransport import SSLTransport

from llmrack.hosts.connection import BROKEN, transport
from llmrack.secrets.value import Secret

# It also logs what it raises, as "Secsh channel 1 open FAILED".
logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)


class _ChannelStream(httpcore.NetworkStream):
    """One connection made by the SSH server, as httpcore reads and writes it."""

    def __init__(self, channel: Channel, tls: SSLTransport | None = None) -> None:
        self._channel = channel
        self._carrier: Any = tls or channel

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._channel.settimeout(timeout)
        try:
            return bytes(self._carrier.recv(max_bytes))
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except BROKEN as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._channel.settimeout(timeout)
        try:
            self._carrier.sendall(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except BROKEN as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._channel.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        self._channel.settimeout(timeout)
        try:
            # Not a socket to the letter, but it has what is needed of one.
            tls = SSLTransport(self._channel, ssl_context, server_hostname)  # type: ignore[arg-type]
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except BROKEN as error:
            raise httpcore.ConnectError(str(error)) from error
        return _ChannelStream(self._channel, tls)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  (httpcore's signature)
        if info == "is_readable":
            return self._channel.recv_ready() or self._channel.closed
        return None


class _TunnelBackend(httpcore.NetworkBackend):
    """Connections that start on the host at the other end of an SSH connection."""

    def __init__(self, through: Transport) -> None:
        self._through = through

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            channel = self._through.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=timeout
            )
        except BROKEN as error:
            raise httpcore.ConnectError(
                f"the host's SSH server did not connect to {host}:{port} ({error}); "
                "is the service running, and AllowTcpForwarding not off?"
            ) from error
        return _ChannelStream(channel)


@dataclass(frozen=True)
class HttpProxy:
    """The HTTP proxy that a host asks through.

    + address: as in ``http://proxy.example.com:3128``
    + login: as in ``user:p%40ss``, or None
    """

    address: str
    login: Secret | None = None

    def connection_pool(self, tls: ssl.SSLContext | None, backend: _TunnelBackend | None) -> Any:  # noqa: ANN401
        """What httpx's transport sends requests by: connections through the proxy."""
        user, _, password = self.login.reveal().partition(":") if self.login else ("", "", "")
        return httpcore.HTTPProxy(
            self.address,
            proxy_auth=(unquote_to_bytes(user), unquote_to_bytes(password)) if self.login else None,
            ssl_context=tls,
            network_backend=backend,
        )


def http_client(
    host: Host, url: str, tls: ssl.SSLContext | None = None, proxy: HttpProxy | None = None
) -> httpx.Client:
    """A client for ``url`` as the host itself reaches it.

    + tls: how a certificate is verified (default: by the authorities that this machine trusts)
    + proxy: the proxy that it is reached through, or None

    Requests go through the SSH connection that is there anyway: nothing is opened for them, and
    a service on loopback can be asked.
    """
    through = transport(host)
    carrier = httpx.HTTPTransport(verify=tls or True, trust_env=False)
    backend = _TunnelBackend(through) if through else None
    # httpx has no public way to bring a network backend; httpcore, below it, has one.
    if proxy:
        carrier._pool = proxy.connection_pool(tls, backend)
    elif backend:
        carrier._pool = httpcore.ConnectionPool(ssl_context=tls, network_backend=backend)
    return httpx.Client(base_url=url, transport=carrier, trust_env=False)
