"""The rules by which the gateway judges a client's key."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llmrack.shipped.gateway import auth_rules as rules

ENTRY = {"name": "alice", "models": None, "until": None, "rpm": None, "master": False}


def key(**entry):
    return rules.Key(ENTRY | entry)


def refused(call, *arguments):
    with pytest.raises(rules.Refused) as error:
        call(*arguments)
    return error.value


def time(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_key_without_an_end_is_always_good():
    key().is_good(9e9)


def test_a_key_is_good_to_the_end_of_its_last_second():
    limited = key(until="2026-12-31T23:59:59Z")
    limited.is_good(time("2026-12-31T23:59:59.900000"))
    refusal = refused(limited.is_good, time("2027-01-01T00:00:00"))
    assert (refusal.status, "alice expired at 2026-12-31T23:59:59Z" in refusal.reason) == (
        401,
        True,
    )


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/audio/transcriptions",
        "/v1/images/generations",
        "/v1/moderations",
        "/v1/rerank",
        "/engines/org/model/chat/completions",
        "/openai/deployments/m/embeddings",
    ],
)
def test_models_are_asked_here(path):
    assert key().may_go("POST", path) is True


@pytest.mark.parametrize(
    "path", ["/models", "/v1/models", "/v1/models/org/m:tag", "/model/info", "/v1/model/info"]
)
def test_looking_at_the_list_asks_no_model(path):
    assert key().may_go("GET", path) is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("GET", "/v2/model/info"),
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("POST", "/key/generate"),
        ("POST", "/vllm/v1/chat/completions"),
        ("POST", "/v1/chat/completions/../../key/generate"),
        ("POST", "/v1/chat/completions\n"),
        ("POST", "//v1/chat/completions"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/v1/realtime"),
    ],
)
def test_all_else_is_refused(method, path):
    assert refused(key().may_go, method, path).status == 403


def test_without_models_a_key_is_for_all():
    key().may_ask(["anything", None])


@pytest.mark.parametrize("names", [["m"], ["m", "eco"], ["any/x"], ["m,eco"], ["m, any/y"]])
def test_declared_names_may_be_asked(names):
    key(models=["m", "eco", "any/*"]).may_ask(names)


@pytest.mark.parametrize(
    "names",
    [
        ["n"],
        ["m", "n"],
        ["M"],
        ["m:latest"],
        ["any"],
        ["m,n"],
        ["any/x,n"],
        [""],
        [None],
        [["m"]],
        [],
    ],
    ids=str,
)
def test_any_other_name_is_refused(names):
    refusal = refused(key(models=["m", "eco", "any/*"]).may_ask, names)
    assert (refusal.status, refusal.reason.endswith("it may ask: m, eco, any/*")) == (403, True)


def test_any_sixty_seconds_have_at_most_so_many_requests():
    limited = key(rpm=2)
    limited.count(0.0)
    limited.count(30.0)
    refusal = refused(limited.count, 45.2)
    assert (refusal.status, refusal.retry_after) == (429, 15)
    limited.count(60.0)
    assert refused(limited.count, 89.9).retry_after == 1
    limited.count(90.0)


def test_a_refused_request_does_not_count():
    limited = key(rpm=1)
    limited.count(0.0)
    for when in (10.0, 20.0, 59.9):
        refused(limited.count, when)
    limited.count(60.0)


def test_a_key_without_a_limit_is_not_counted():
    for _ in range(100):
        key().count(0.0)
