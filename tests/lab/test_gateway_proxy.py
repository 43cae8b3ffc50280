"""A gateway on loopback behind a proxy: who is asked through it, and what it gets to read."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from llmrack.stack.fleet import Fleet
from llmrack.stack.proxies import with_proxies
from llmrack.stack.schema import Stack
from tests.lab.echo import MODEL, Echo
from tests.lab.forward_proxy import ForwardProxy, forward_proxy
from tests.lab.gateway_process import GatewayProcess
from tests.unit.declare import host

PROMPT = "The recipe of the house is a secret."


@dataclass
class Behind:
    """A gateway whose proxy knows the names of the providers outside."""

    gateway: GatewayProcess
    proxy: ForwardProxy

    def ask(self, model: str, stream: bool = False) -> str:
        """What it answers, as text."""
        messages = [{"role": "user", "content": PROMPT}]
        answer = self.gateway.chat(model, messages=messages, stream=stream)
        assert answer.status_code == 200, answer.text
        return answer.text


@contextlib.contextmanager
def serving(tls: trustme.LeafCert | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def behind(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    authority = trustme.CA()
    pem = authority.cert_pem.bytes().decode()
    names = ("llm.example", "vllm.example", "llm.corp.example")
    outside = dict.fromkeys(names[:2], "127.0.0.1")
    with (
        serving(authority.issue_cert(*names, "127.0.0.1")) as safe,
        serving() as plain,
        forward_proxy("127.0.0.1", "llm:p@ss", outside) as proxy,
    ):
        common = {"api_key": "KEY", "tls_ca": pem, "health_check": True}
        openai = common | {"kind": "openai-compatible"}
        stack = Stack.model_validate(
            {
                "providers": {
                    "outside": openai | {"url": f"https://llm.example:{safe}/v1"},
                    "vllm": common | {"kind": "vllm", "url": f"https://vllm.example:{safe}/v1"},
                    "inside": openai | {"url": f"https://127.0.0.1:{safe}/v1"},
                    "clear": {
                        "kind": "vllm",
                        "url": f"http://127.0.0.1:{plain}/v1",
                        "api_key": "KEY",
                    },
                },
                "models": {
                    name: {"provider": name, "model": MODEL}
                    for name in ("outside", "vllm", "inside", "clear")
                },
            }
        )
        fleet = with_proxies(Fleet((host(proxy=proxy.url, proxy_login="PROXY_LOGIN"),)))
        secrets = {"KEY": "sk-key", "PROXY_LOGIN": "llm:p%40ss"}
        folder = tmp_path_factory.mktemp("gateway")
        with GatewayProcess(gateway_python, folder, stack, fleet, secrets) as gateway:
            yield Behind(gateway, proxy)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["outside", "vllm"])
def test_what_is_outside_is_asked_through_the_proxy(
    behind: Behind, model: str, stream: bool
) -> None:
    before = len(behind.proxy.passed.tunnels)
    assert "hello" in behind.ask(model, stream)
    name = "llm.example" if model == "outside" else "vllm.example"
    # An open connection is used again.
    assert name in behind.proxy.passed.hosts
    assert len(behind.proxy.passed.tunnels) <= before + 2
    assert behind.proxy.passed.refused == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["inside", "clear"])
def test_what_is_inside_is_asked_directly(behind: Behind, model: str, stream: bool) -> None:
    assert "hello" in behind.ask(model, stream)
    assert "127.0.0.1" not in behind.proxy.passed.hosts


def test_the_proxy_reads_no_prompt_and_no_key(behind: Behind) -> None:
    for model in ("outside", "vllm", "inside", "clear"):
        behind.ask(model)
    assert behind.proxy.passed.sent
    assert behind.proxy.passed.plain == []
    for secret in (PROMPT, "sk-key"):
        assert secret.encode() not in behind.proxy.passed.sent


def test_the_login_is_in_no_log(behind: Behind) -> None:
    behind.ask("outside")
    assert "p%40ss" not in behind.gateway.log and "p@ss" not in behind.gateway.log
