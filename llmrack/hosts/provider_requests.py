"""Asks providers from where it counts: a gateway's host, through the connection that is there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import gevent
from pyinfra.api import StringCommand
from pyinfra.api.host import Host as PyinfraHost

from llmrack.hosts.authorities import needs_authorities, read_authorities, tls_of
from llmrack.hosts.commands import run
from llmrack.secrets.value import Secret
from llmrack.stack.fleet import Host
from llmrack.stack.model_lists import Server, listed, next_page
from llmrack.stack.providers import Provider
from llmrack.stack.proxy import Proxy
from llmrack.verify.causes import (
    Trouble,
    failed,
    key_refused,
    no_address,
    not_through,
    overloaded,
    unreachable,
    untrusted,
)
from llmrack.verify.results import one_line

if TYPE_CHECKING:
    import httpx

# Seconds a request may take, all in all; and of a stream each wait, while a model may be loading.
DEADLINE, PATIENCE = 15, 300
# Most pages of a list of models.
PAGES = 100


class NotAnswered(Exception):
    """A provider gave no answer that is of use; ``trouble`` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


class Reach:
    """How a gateway's host reaches providers.

    + host: the gateway's, connected
    + secrets: their values, by name
    + providers: those that may be asked
    + declared: what is declared for the host: its proxy, and its company's authority

    Nothing needs to be installed there: requests are made here, connections start there.
    """

    def __init__(
        self,
        host: PyinfraHost,
        secrets: Mapping[str, Secret],
        providers: Iterable[Provider],
        declared: Host | None = None,
    ) -> None:
        self._host = host
        self._secrets = secrets
        self._declared = declared
        needed = any(map(needs_authorities, providers))
        company = declared.authority if declared else None
        self._authorities = read_authorities(host, company) if needed else None

    @contextmanager
    def talk(self, server: Server) -> Iterator[Talk]:
        """Requests to one server, over one connection."""
        from llmrack.hosts.tunnel import HttpProxy, http_client

        way = self.proxy_to(server.list_url)
        login = self._secrets.get(way.login) if way and way.login else None
        proxy = HttpProxy(way.address, login) if way else None
        tls = tls_of(server.declared, self._authorities)
        with http_client(self._host, server.list_url, tls, proxy) as client:
            yield Talk(self, server, client)

    def proxy_to(self, url: str) -> Proxy | None:
        """The proxy that the host asks ``url`` through, or None."""
        proxy = self._declared.proxy if self._declared else None
        return proxy if proxy and proxy.carries(url) else None

    def headers(self, provider: Provider, with_secrets: bool = True) -> dict[str, str]:
        """What every request to a provider carries."""
        remote = provider.remote
        if remote is None:
            return {}
        plain = {**remote.own_headers, **remote.headers}
        if not with_secrets:
            return plain
        key = {remote.key_header: remote.api_key} if remote.api_key else {}
        hidden = {
            name: self._secrets[secret].reveal()
            for name, secret in (remote.secret_headers | key).items()
        }
        if "authorization" in hidden:
            hidden["authorization"] = f"Bearer {hidden['authorization']}"
        return plain | hidden

    def finds(self, name: str) -> bool:
        """Whether the host finds an address for ``name``; an SSH server keeps that to itself."""
        return run(self._host, StringCommand("getent", "ahosts", name), root=False).succeeded


class Talk:
    """Requests to one server; each raises NotAnswered unless it gives JSON with status 200.

    + seconds: how long the last answer took, the connection included where it was the first
    """

    def __init__(self, reach: Reach, server: Server, client: httpx.Client) -> None:
        self.seconds = 0.0
        self._reach = reach
        self._server = server
        self._client = client

    def models(self) -> dict[str, dict[str, Any]]:
        """What the server's list says of each model, by its name."""
        url = self._server.list_url
        models: dict[str, dict[str, Any]] = {}
        began = time.perf_counter()
        for _ in range(PAGES):
            answer = self._send("GET", url)
            found = listed(page := self._json(url, answer))
            if found is None:
                raise NotAnswered(self._no_list(url, answer.text))
            models |= found
            if not found or not (following := next_page(page)):
                break
            url = str(answer.request.url.copy_merge_params(following))
        self.seconds = time.perf_counter() - began
        return models

    def get(self, url: str) -> object:
        """What ``GET url`` answers."""
        return self._json(url, self._send("GET", url))

    def post(self, url: str, body: Mapping[str, object]) -> object:
        """What ``POST url`` answers."""
        return self._json(url, self._send("POST", url, body))

    def prove_key(self) -> None:
        """Raise NotAnswered unless it is seen that the server takes our key, and would not do
        without.

        Lists of models are open to all in some places (Ollama Cloud, OpenRouter), so the key is
        shown to what cannot be: a chat that says nothing, which costs no token. ollama.com looks at
        the key before the body, and answers 401 to a wrong one, 400 to a right one (seen by
        heypinchy/pinchy#154). Whoever answers the same without a key has not looked at it.
        """
        server = self._server
        if not server.secret:
            return
        if self._send("GET", server.list_url, with_secrets=False).status_code in (401, 403):
            return
        url = server.chat_url
        shown = self._send("POST", url, {})
        if shown.status_code in (401, 403, 429) or shown.status_code >= 500:
            raise NotAnswered(self._trouble(url, shown))
        if self._send("POST", url, {}, with_secrets=False).status_code not in (401, 403):
            raise NotAnswered(
                Trouble(
                    "key",
                    f"{self._named(url)} answers without a key as with it, so {server.secret} is "
                    "not proven",
                    f"leave it out of providers.{server.provider} if none is needed, otherwise "
                    "see that the chat of `llmrack verify` is answered",
                )
            )

    @contextmanager
    def stream(self, url: str, body: Mapping[str, object]) -> Iterator[Iterator[str]]:
        """The lines of what ``POST url`` answers to a chat, as they come.

        Raises NotAnswered, also while they are read.
        """
        import httpx

        from llmrack.verify.probes import message_of

        patience = httpx.Timeout(PATIENCE, connect=DEADLINE)
        headers = self._reach.headers(self._server.declared)
        with (
            self._asking(url, PATIENCE),
            self._client.stream(
                "POST", url, headers=headers, json=body, timeout=patience
            ) as answer,
        ):
            if answer.status_code == 404:
                said = one_line(message_of(answer.read().decode(errors="replace")), 120)
                cause = f"{self._named(url)} answers 404: {said}"
                way_out = "choose a model that it has: llmrack status --models"
                raise NotAnswered(Trouble("not found", cause, way_out))
            if answer.status_code != 200:
                answer.read()
                raise NotAnswered(self._trouble(url, answer))
            yield answer.iter_lines()

    def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, object] | None = None,
        with_secrets: bool = True,
    ) -> httpx.Response:
        late = NotAnswered(self._late(url, DEADLINE))
        with self._asking(url, DEADLINE), gevent.Timeout(DEADLINE, late):
            headers = self._reach.headers(self._server.declared, with_secrets)
            return self._client.request(method, url, headers=headers, json=body, timeout=DEADLINE)

    @contextmanager
    def _asking(self, url: str, seconds: float) -> Iterator[None]:
        """Turn what httpx raises into NotAnswered, and note how long it took."""
        # httpx costs 0.2 s to import; a run that changes nothing does without.
        import httpx

        began = time.perf_counter()
        try:
            yield
        except (httpx.LocalProtocolError, UnicodeEncodeError):
            # Their text repeats the header.
            cause = f"{self._server.secret} has characters that no HTTP header can carry"
            raise NotAnswered(Trouble("key", cause, "set it anew")) from None
        except httpx.TimeoutException:
            raise NotAnswered(self._late(url, seconds)) from None
        except httpx.HTTPError as error:
            raise NotAnswered(self._unreached(url, str(error), seconds)) from None
        finally:
            self.seconds = time.perf_counter() - began

    def _late(self, url: str, seconds: float) -> Trouble:
        return Trouble(
            "timeout",
            f"{self._named(url)} did not answer within {seconds:g} s",
            "see whether it is well, and whether a firewall is between",
        )

    def _unreached(self, url: str, error: str, seconds: float) -> Trouble:
        named, text = self._named(url), error.lower()
        proxy = self._reach.proxy_to(url)
        if proxy and "certificate" not in text and "ssl_" not in text:
            return not_through(named, proxy.address, one_line(error, 80))
        if "certificate" in text:
            return untrusted(named, self._server.provider)
        if "ssl" in text and "ssh server" not in text:
            cause = f"{named} does not speak TLS ({one_line(error, 80)})"
            return Trouble("TLS", cause, "write http:// if that is meant, or correct the port")
        if "timeout" in text or "timed out" in text:
            return self._late(url, seconds)
        if not self._reach.finds(urlsplit(url).hostname or ""):
            return no_address(named)
        return unreachable(named)

    def _json(self, url: str, answer: httpx.Response) -> object:
        if answer.status_code != 200:
            raise NotAnswered(self._trouble(url, answer))
        try:
            found: object = answer.json()
        except ValueError:
            raise NotAnswered(self._no_list(url, answer.text)) from None
        return found

    def _no_list(self, url: str, text: str) -> Trouble:
        cause = f"{self._named(url)} answers {one_line(text, 40)!r}, which is no list of models"
        return Trouble("no list", cause, "correct the address: another program answers there")

    def _trouble(self, url: str, answer: httpx.Response) -> Trouble:
        named, status, server = self._named(url), answer.status_code, self._server
        if status in (401, 403):
            return key_refused(named, server.provider, server.secret, status)
        if status == 404:
            cause = f"{named} does not exist there (404)"
            way_out = f"correct providers.{server.provider}.url, or its paths"
            return Trouble("not found", cause, way_out)
        if status == 429:
            return overloaded(named, answer.text)
        return failed(named, status, answer.text)

    def _named(self, url: str) -> str:
        return f"{self._server.instance} ({url})"
