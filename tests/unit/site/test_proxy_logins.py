"""A proxy's login is a secret with the form that it has in an address."""

from __future__ import annotations

import pytest

from llmrack.secrets.value import Secret, StoredSecret
from llmrack.site.proxy_logins import login_problems
from llmrack.stack.fleet import Fleet
from llmrack.stack.proxies import with_proxies
from tests.unit.declare import host

FLEET = with_proxies(Fleet((host(proxy="http://proxy.corp:3128", proxy_login="PROXY_LOGIN"),)))


def problems(value: str | None) -> list[str]:
    kept = {"PROXY_LOGIN": StoredSecret(Secret(value), "secrets.age")} if value else {}
    return [str(problem) for problem in login_problems(FLEET, kept, ".env")]


@pytest.mark.parametrize("value", ["llm:p%40ss", "llm", "CORP%5Cllm:a$b!c", "llm:a:b", "llm:"])
def test_a_login_as_in_an_address_is_right(value: str) -> None:
    assert problems(value) == []


@pytest.mark.parametrize("value", ["llm:p@ss", "CORP\\llm:x", "llm:a/b", "llm:100%", "a b:c", ":x"])
def test_another_value_is_refused_and_not_repeated(value: str) -> None:
    (text,) = problems(value)
    assert "the secret PROXY_LOGIN cannot stand in an address" in text and "@ as %40" in text
    assert value not in text


def test_a_login_without_a_value_is_named() -> None:
    (text,) = problems(None)
    assert "the secret PROXY_LOGIN is not set" in text
    assert "llmrack secrets set PROXY_LOGIN" in text
