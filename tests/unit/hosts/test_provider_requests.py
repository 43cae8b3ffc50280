"""What a provider's answers mean: is the key right, and what is wrong where something is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pyinfra.connectors.util import CommandOutput

from llmrack.hosts.provider_requests import NotAnswered, Reach, Talk
from llmrack.secrets.value import Secret
from llmrack.stack.model_lists import servers
from tests.unit.declare import STACK, host, stack, two_boxes
from tests.unit.fake_host import fake_host

KEY = "sk-the-right-one"
LIST = {"data": [{"id": "a"}]}
Answer = Callable[[httpx.Request], httpx.Response]


def finds(command: Any, **_: Any) -> tuple[bool, CommandOutput]:
    """A host finds no address for names that begin with nobody."""
    return "nobody" not in str(command), CommandOutput([])


def talk(answer: Answer, url: str = "http://vllm:8000/v1", **settings: str) -> Talk:
    provider = {"kind": "vllm", "url": url, "api_key": "VLLM_API_KEY", **settings}
    declared = stack(providers={**STACK["providers"], "vllm": provider})
    (server,) = servers(declared, two_boxes(), host(), "vllm")
    reach = Reach(fake_host(finds), {"VLLM_API_KEY": Secret(KEY)}, [])
    return Talk(reach, server, httpx.Client(transport=httpx.MockTransport(answer)))


def service(closed: tuple[str, ...], key: str = KEY) -> tuple[Answer, list[str]]:
    """A service that wants its key for the paths ``closed``; and what it was asked."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1")
        shown = request.headers.get("Authorization")
        asked.append(f"{request.method} {path} {'with' if shown else 'without'}")
        if path in closed and shown != f"Bearer {key}":
            return httpx.Response(401)
        return httpx.Response(200, json=LIST) if path == "/models" else httpx.Response(400)

    return answer, asked


def trouble(does: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(NotAnswered) as caught:
        does()
    assert KEY not in str(caught.value)
    return caught.value.trouble.kind, str(caught.value)


def test_a_list_that_needs_the_key_proves_it() -> None:
    answer, asked = service(("/models", "/chat/completions"))
    there = talk(answer)
    assert set(there.models()) == {"a"}
    there.prove_key()
    assert asked == ["GET /models with", "GET /models without"]


def test_where_the_list_is_open_to_all_a_chat_proves_the_key() -> None:
    answer, asked = service(("/chat/completions",))
    talk(answer).prove_key()
    assert asked[1:] == ["POST /chat/completions with", "POST /chat/completions without"]


def test_where_the_list_is_open_to_all_a_wrong_key_is_found_out() -> None:
    answer, _ = service(("/chat/completions",), key="another")
    kind, text = trouble(talk(answer).prove_key)
    assert kind == "key" and "refuses the key (401)" in text


def test_a_server_that_asks_for_no_key_proves_none() -> None:
    answer, _ = service(())
    kind, text = trouble(talk(answer).prove_key)
    assert kind == "key" and "VLLM_API_KEY is not proven; leave it out of providers.vllm" in text


def failing(error: Exception) -> Answer:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (lambda _: httpx.Response(401), "key", "llmrack secrets rotate VLLM_API_KEY"),
        (lambda _: httpx.Response(403), "key", "refuses the key (403)"),
        (lambda _: httpx.Response(404), "not found", "correct providers.vllm.url"),
        (lambda _: httpx.Response(429, text="slow down"), "rate limit", "(429: slow down)"),
        (lambda _: httpx.Response(502, text="bad"), "server", "failed (502: bad)"),
        (lambda _: httpx.Response(200, text="<html>"), "no list", "'<html>'"),
        (lambda _: httpx.Response(200, json={"hello": 1}), "no list", "correct the address"),
        (failing(httpx.ReadTimeout("late")), "timeout", "did not answer within 15 s"),
        (failing(httpx.ConnectError("Timeout opening channel.")), "timeout", "did not answer"),
        (failing(httpx.ConnectError("refused")), "connection", "cannot connect to vllm"),
        (failing(httpx.ReadError("reset")), "connection", "cannot connect to vllm"),
        (
            failing(httpx.ConnectError("certificate verify failed")),
            "TLS",
            "name its authority in providers.vllm.tls_ca",
        ),
        (failing(httpx.ConnectError("[SSL] record layer")), "TLS", "does not speak TLS"),
    ],
)
def test_each_error_has_its_class_and_a_way_out(answer: Answer, kind: str, words: str) -> None:
    found, text = trouble(talk(answer).models)
    assert found == kind
    assert words in text


def test_a_name_without_an_address_is_told_from_a_server_that_is_down() -> None:
    there = talk(failing(httpx.ConnectError("Connect failed")), "http://nobody:8000/v1")
    kind, text = trouble(there.models)
    assert kind == "name" and "correct the name or its DNS" in text


def streamed(answer: Answer) -> list[str]:
    with talk(answer).stream("http://vllm:8000/v1/chat/completions", {"model": "a"}) as lines:
        return list(lines)


def test_a_stream_is_told_line_by_line() -> None:
    assert streamed(lambda _: httpx.Response(200, text="a\nb\n")) == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (lambda _: httpx.Response(401), "key", "llmrack secrets rotate VLLM_API_KEY"),
        (
            lambda _: httpx.Response(404, json={"error": {"message": "no model a"}}),
            "not found",
            "answers 404: no model a; choose a model that it has",
        ),
        (lambda _: httpx.Response(500, text="bad"), "server", "failed (500: bad)"),
        (failing(httpx.ReadTimeout("late")), "timeout", "did not answer within 300 s"),
        (failing(httpx.ConnectError("refused")), "connection", "cannot connect to vllm"),
        (failing(httpx.ConnectError("certificate verify failed")), "TLS", "tls_ca"),
    ],
)
def test_a_stream_that_does_not_come_has_its_class(answer: Answer, kind: str, words: str) -> None:
    found, text = trouble(lambda: streamed(answer))
    assert found == kind
    assert words in text


def test_anthropic_is_shown_its_key_in_its_own_header_and_asked_for_every_page() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        assert request.headers["anthropic-version"]
        assert "authorization" not in request.headers
        if request.headers.get("x-api-key") != KEY:
            return httpx.Response(401)
        if "after_id" in request.url.params:
            return httpx.Response(200, json={"data": [{"id": "b"}], "has_more": False})
        return httpx.Response(200, json={**LIST, "has_more": True, "last_id": "a"})

    there = talk(answer, "https://api.anthropic.com", kind="litellm", prefix="anthropic")
    assert list(there.models()) == ["a", "b"]
    assert asked[-1] == "https://api.anthropic.com/v1/models?after_id=a"
    there.prove_key()


def test_a_query_of_the_address_goes_with_every_request() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=LIST)

    talk(answer, "http://vllm:8000/v1?tenant=a").models()
    assert asked == ["http://vllm:8000/v1/models?tenant=a"]
