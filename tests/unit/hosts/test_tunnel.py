"""Requests through a host's proxy, with its login."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from llmrack.hosts.provider_requests import NotAnswered, Reach
from llmrack.hosts.tunnel import HttpProxy, http_client
from llmrack.secrets.value import Secret
from llmrack.stack.fleet import Fleet
from llmrack.stack.model_lists import servers
from llmrack.stack.proxies import with_proxies
from tests.lab.forward_proxy import ForwardProxy, forward_proxy
from tests.unit.declare import host, stack

LOCAL: Any = SimpleNamespace(connector=SimpleNamespace())


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://llm.example:{made.server_address[1]}/"
    made.shutdown()
    made.server_close()


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with forward_proxy("127.0.0.1", "llm:p@ss", {"llm.example": "127.0.0.1"}) as made:
        yield made


def test_a_request_goes_through_the_proxy_with_the_login(proxy: ForwardProxy, server: str) -> None:
    way = HttpProxy(proxy.url, Secret("llm:p%40ss"))
    with http_client(LOCAL, server, proxy=way) as client:
        assert client.get(server).text == "ok"
    assert proxy.passed.hosts == {"llm.example"}
    assert "p%40ss" not in repr(way)


def test_a_login_may_have_letters_of_any_alphabet(server: str) -> None:
    with forward_proxy("127.0.0.1", "llm:p\u00e4ss", {"llm.example": "127.0.0.1"}) as proxy:
        way = HttpProxy(proxy.url, Secret("llm:p%C3%A4ss"))
        with http_client(LOCAL, server, proxy=way) as client:
            assert client.get(server).text == "ok"


def test_a_proxy_that_refuses_is_named(proxy: ForwardProxy) -> None:
    declared = stack(
        providers={"cloud": {"kind": "ollama-cloud", "api_key": "KEY"}},
        models={"a": {"provider": "cloud"}}, chains={}, default_chain=[],
    )  # fmt: skip
    fleet = with_proxies(Fleet((host(proxy=proxy.url, proxy_login="LOGIN"),)))
    (asked,) = servers(declared, fleet, fleet.hosts[0], "cloud")
    secrets = {"LOGIN": Secret("llm:wrong-canary"), "KEY": Secret("sk-1")}
    reach = Reach(LOCAL, secrets, [], fleet.hosts[0])
    with pytest.raises(NotAnswered) as caught, reach.talk(asked) as talk:
        talk.models()
    text = str(caught.value)
    assert f"the proxy {proxy.url} gives no connection to cloud" in text
    assert "407" in text and "proxy_login" in text and "canary" not in text


def test_no_connection_to_the_proxy_is_told_the_same_way() -> None:
    fleet = with_proxies(Fleet((host(proxy="http://127.0.0.1:9"),)))
    (asked,) = servers(stack(), fleet, fleet.hosts[0], "cloud")
    reach = Reach(LOCAL, {"OLLAMA_API_KEY": Secret("sk-1")}, [], fleet.hosts[0])
    with pytest.raises(NotAnswered) as caught, reach.talk(asked) as talk:
        talk.models()
    assert "the proxy http://127.0.0.1:9 gives no connection to cloud" in str(caught.value)


def test_a_provider_on_the_lan_is_asked_without_it() -> None:
    fleet = with_proxies(Fleet((host(proxy="http://127.0.0.1:9"),)))
    reach = Reach(LOCAL, {}, [], fleet.hosts[0])
    assert reach.proxy_to("http://vllm:8000/v1/models") is None
    assert reach.proxy_to("https://ollama.com/api/tags") is not None
    assert Reach(LOCAL, {}, []).proxy_to("https://ollama.com/api/tags") is None
    assert isinstance(http_client(LOCAL, "http://vllm:8000"), httpx.Client)
