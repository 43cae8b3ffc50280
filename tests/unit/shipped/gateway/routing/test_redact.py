"""A provider's error goes on without the keys that the provider was shown."""

from __future__ import annotations

import asyncio
import zlib

import httpx
import pytest

from llmrack.shipped.gateway.routing import redact

KEYS = {"OFFICE_API_KEY": "canary-4711", "OFFICE_HEADER": "canary-4712"}


def passed_on(status: int, **content: object) -> httpx.Response:
    return asyncio.run(redact.without(KEYS, httpx.Response(status, **content)))


def test_a_key_in_the_body_is_replaced_by_its_name() -> None:
    redacted = passed_on(401, content=b'{"error": "canary-4711 and canary-4712 are wrong"}')
    assert redacted.status_code == 401
    assert redacted.text == '{"error": "<OFFICE_API_KEY> and <OFFICE_HEADER> are wrong"}'
    assert redacted.headers["content-length"] == str(len(redacted.content))


def test_a_key_in_a_header_is_replaced_too_and_others_stay() -> None:
    headers = {"WWW-Authenticate": 'Bearer error="canary-4711"', "Retry-After": "7"}
    redacted = passed_on(429, headers=headers)
    assert redacted.headers["www-authenticate"] == 'Bearer error="<OFFICE_API_KEY>"'
    assert redacted.headers["retry-after"] == "7"


def test_a_packed_body_is_read() -> None:
    packed = zlib.compress(b"canary-4711")
    redacted = passed_on(500, headers={"Content-Encoding": "deflate"}, content=packed)
    assert redacted.text == "<OFFICE_API_KEY>"


def test_an_answer_that_is_no_error_is_not_touched() -> None:
    answer = httpx.Response(200, content=b"canary-4711")
    assert asyncio.run(redact.without(KEYS, answer)) is answer


def test_the_keys_are_those_that_the_instance_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("UNSET", raising=False)
    spec = {"secrets": ["OFFICE_API_KEY", "OFFICE_HEADER", "UNSET"]}
    assert redact.shown_keys(spec) == KEYS
    assert redact.shown_keys({"secrets": []}) == {}
