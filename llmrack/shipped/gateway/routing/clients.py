"""HTTP clients: one for each instance, with its deadlines, its certificate and its path for chats.

LiteLLM has no connect timeout, uses its own settings of certificates when it reconnects, waits for
the whole request timeout on a dead connection, and always asks Ollama at /api/chat (seen with
1.106.12); but it accepts a client with each request.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import httpx
import openai
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from ..litellm_parts import AsyncHTTPHandler, LiteLLMAiohttpTransport, azure_client
from .redact import shown_keys, without
from .watch import headers, tls

_OLLAMA_CHAT = "/api/chat"
# The running attempt's list gets an entry when its request begins to be sent.
sending: ContextVar[list[bool]] = ContextVar("sending")


class _Transport(LiteLLMAiohttpTransport):
    def __init__(self, session: Callable[[], ClientSession], keys: Mapping[str, str]) -> None:
        super().__init__(session)
        self._keys = keys

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await without(self._keys, await super().handle_async_request(request))
        except httpx.ConnectError as error:
            # For this error LiteLLM would send the request again and wait as long once more.
            if getattr(error.__cause__, "errno", None) == errno.ETIMEDOUT:
                raise httpx.ConnectTimeout(str(error), request=request) from error
            raise


class _Client(AsyncHTTPHandler):
    """LiteLLM's client with an instance's settings, which it keeps when LiteLLM recreates it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._tls: ssl.SSLContext = tls(spec["verify"])
        self._host = httpx.URL(spec["url"]).host
        self._declared = headers(spec)
        super().__init__()

    def create_client(self, timeout: Any, *_: Any, **__: Any) -> httpx.AsyncClient:  # noqa: ANN401
        return httpx.AsyncClient(
            transport=_Transport(self._session, shown_keys(self._spec)),
            event_hooks={"request": [self._prepare]},
            timeout=timeout,
        )

    def _session(self) -> ClientSession:
        # No limit of its own: that is max_parallel_requests.
        connector = TCPConnector(ssl=self._tls, limit=0, socket_factory=self._socket)
        return ClientSession(connector=connector, cookie_jar=DummyCookieJar())

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket that fails when the other host's kernel is silent for the connect timeout.

        A server that takes long to answer is no such case: its kernel acknowledges (tcp(7)).
        """
        seconds = self._spec["connect_timeout"]
        made = socket.socket(*address[:3])
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
            made.setsockopt(socket.IPPROTO_TCP, option, max(1, int(seconds)))
        return made

    async def _prepare(self, request: httpx.Request) -> None:
        if (sent := sending.get(None)) is not None:
            sent.append(True)
        timeouts = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {**timeouts, "connect": self._spec["connect_timeout"]}
        if request.url.host == self._host:
            # LiteLLM omits the declared headers from some kinds of requests.
            request.headers.update(self._declared)
            if query := self._spec["query"]:
                request.url = request.url.copy_merge_params(httpx.QueryParams(query))
        path = self._spec["chat"]
        if path and request.url.path.endswith(_OLLAMA_CHAT):
            begin = request.url.path.removesuffix(_OLLAMA_CHAT)
            request.url = request.url.copy_with(path=begin + path)


class Clients:
    """The clients of all instances; each is made at its first use.

    + specs: routing.json's instances, by name
    """

    def __init__(self, specs: dict[str, dict[str, Any]]) -> None:
        self._specs = specs
        self._http: dict[str, _Client] = {}
        self._openai: dict[str, openai.AsyncOpenAI] = {}

    def choose(self, instance: str, kwargs: dict[str, Any], client: str) -> None:
        """Give a call of LiteLLM the client of the instance that it asks.

        + client: http: our own; openai, azure: that SDK with our own beneath; own: LiteLLM's own
        """
        if client == "own":
            return
        http = self.http(instance)
        if client == "http":
            kwargs["client"] = http
            return
        if instance not in self._openai and client == "azure":
            self._openai[instance] = azure_client(kwargs, http.client)
        if instance not in self._openai:
            self._openai[instance] = openai.AsyncOpenAI(
                api_key=kwargs.get("api_key") or "none",
                base_url=kwargs.get("api_base") or self._specs[instance]["url"],
                max_retries=0,
                # LiteLLM passes no timeout for speech; each attempt has its own (attempt.py).
                timeout=None,
                http_client=http.client,
            )
        kwargs["client"] = self._openai[instance]

    def http(self, instance: str) -> _Client:
        """The client of an instance, without OpenAI's SDK."""
        if instance not in self._http:
            self._http[instance] = _Client(self._specs[instance])
        return self._http[instance]
