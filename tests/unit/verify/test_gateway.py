"""Every check of a gateway, shown able to fail: it lies in one way at a time."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.lying_gateway import (
    KEY,
    STACK,
    WHOLE,
    Body,
    Gateway,
    Lie,
    answered_by,
    error,
    failures,
    message,
    stream,
    tool_call,
    vectors,
)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_an_honest_gateway_is_proven_in_every_way(gateway: Gateway) -> None:
    results = gateway.prove()
    assert [result for result in results if not result.ok] == []
    llama = [
        (model, box, check)
        for model, box in (("llama", "box1"), ("llama", "box2"))
        for check in ("chat", "stream", "vision", "tools")
    ]
    assert [(passed.subject, passed.instance, passed.check) for passed in results] == [
        ("gateway", "", "health"),
        ("gateway", "", "models"),
        ("gateway", "", "wrong key"),
        ("gateway", "", "no key"),
        *llama,
        ("llama", "box1", "name"),
        ("embed", "box1", "embedding"),
        ("embed", "box1", "name"),
        ("gpt", "cloud", "chat"),
        ("gpt", "cloud", "stream"),
        ("gpt", "cloud", "name"),
        ("any/*", "cloud", "unknown model"),
        ("eco", "box1/llama", "name"),
        ("mixed", "box1/llama", "name"),
        ("mini", "cloud/gpt", "name"),
        ("gateway", "", "wrong request"),
    ]


def test_times_and_rates_are_measured(gateway: Gateway) -> None:
    by_check = {(result.subject, result.check): result for result in gateway.prove()}
    chat, streamed = by_check["gpt", "chat"], by_check["gpt", "stream"]
    assert chat.latency is not None and chat.tokens_per_second == 4 / chat.latency
    assert streamed.first_token is not None and streamed.latency is not None
    assert 0 < streamed.first_token <= streamed.latency


def test_a_deployment_alone_is_asked_by_its_id_without_fallbacks_or_retries(
    gateway: Gateway,
) -> None:
    gateway.prove()
    bodies = gateway.asked("box2/llama")
    assert len(bodies) == 4
    assert all(body["disable_fallbacks"] and body["num_retries"] == 0 for body in bodies)


def test_health_is_never_asked_where_it_would_generate(gateway: Gateway) -> None:
    gateway.prove()
    assert "/health" not in [request.url.path for request in gateway.requests]


def test_progress_tells_each_check_before_its_request(gateway: Gateway) -> None:
    lines: list[tuple[str, int]] = []
    gateway.prove(lambda line: lines.append((line, len(gateway.requests))))
    assert lines[0] == ("box1: gateway: health", 0)
    assert ("box1: llama on box2: stream") in [line for line, _ in lines]


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("[Errno 111] Connection refused")


def test_a_gateway_that_does_not_run_gives_one_failure(gateway: Gateway) -> None:
    gateway.lies["/health/liveliness"] = refuse
    (result,) = gateway.prove()
    assert (result.check, result.ok) == ("health", False)
    assert "cannot be reached" in result.detail and "see whether its unit runs" in result.detail


def test_a_gateway_that_is_not_ready_is_not_healthy(gateway: Gateway) -> None:
    gateway.lies["/health/readiness"] = lambda _: error(503, "not\nready")
    (result,) = gateway.prove()
    assert "/health/readiness answers 503" in result.detail and "\n" not in result.detail


def test_a_missing_and_an_undeclared_model_are_named(gateway: Gateway) -> None:
    gateway.models = [*STACK.names, "stray"]
    gateway.models.remove("embed")
    detail = failures(gateway)["gateway", "", "models"]
    assert "missing: embed;" in detail and "not declared: stray)" in detail


def test_a_model_list_of_another_shape_is_a_failure(gateway: Gateway) -> None:
    gateway.lies["/v1/models"] = lambda request: (
        httpx.Response(200, json={"data": None}) if KEY in str(request.headers.raw) else None
    )
    assert (
        "missing: any/*, eco, embed, gpt, llama, mini, mixed"
        in failures(gateway)["gateway", "", "models"]
    )


def test_a_gateway_that_takes_any_key_is_caught(gateway: Gateway) -> None:
    gateway.lies["/v1/models"] = lambda _: httpx.Response(200, json={"data": []})
    failed = failures(gateway)
    assert "not refused" in failed["gateway", "", "wrong key"]
    assert "not refused" in failed["gateway", "", "no key"]


def test_a_gateway_that_breaks_on_a_wrong_key_did_not_refuse_it(gateway: Gateway) -> None:
    gateway.lies["/v1/models"] = lambda _: error(500, "boom")
    assert "answers 500" in failures(gateway)["gateway", "", "wrong key"]


def test_the_right_key_refused_is_told_as_such(gateway: Gateway) -> None:
    gateway.lies["/v1/models"] = lambda _: error(401, "there is no such key; ask for one")
    assert "refuses its own master key" in failures(gateway)["gateway", "", "models"]


def test_a_wrong_request_that_was_refused_or_stayed_with_its_model_is_well(
    gateway: Gateway,
) -> None:
    assert ("gateway", "", "wrong request") not in failures(gateway)
    (asked,) = [body for body in gateway.asked("llama") if "response_format" in body]
    assert asked["max_tokens"] == 1
    gateway.lies["wrong"] = message
    assert ("gateway", "", "wrong request") not in failures(gateway)


def test_a_wrong_request_that_somebody_else_answered_is_caught(gateway: Gateway) -> None:
    gateway.lies["wrong"] = lambda _: message({"model": "gpt"})
    detail = failures(gateway)["gateway", "", "wrong request"]
    assert "was answered by cloud/gpt instead of being refused" in detail


@pytest.mark.parametrize(
    ("probe", "lie", "reason"),
    [
        ("chat", lambda body: message(body, content=""), "the answer is empty"),
        ("chat", lambda body: message(body, content=" \n"), "the answer is empty"),
        ("chat", lambda body: message(body, usage={}), "no usage counts"),
        (
            "chat",
            lambda body: message(body, usage={"prompt_tokens": 5, "completion_tokens": 0}),
            "no usage counts",
        ),
        ("chat", lambda body: httpx.Response(200, text="<html>"), "nobody who says so"),
        ("vision", lambda body: message(body, content=None), "the answer is empty"),
        ("vision", lambda body: error(500, "no image input"), "failed (500: no image input)"),
        ("stream", lambda body: stream(body, WHOLE, end=""), "without [DONE]"),
        ("stream", lambda body: stream(body, WHOLE[:2]), "no finish_reason"),
        ("stream", lambda body: stream(body, WHOLE[2:]), "no text"),
        ("stream", lambda body: stream(body, [], end="data: {broken\n\n"), "no JSON"),
        (
            "stream",
            lambda body: stream(body, [*WHOLE[:2], {"error": {"message": "oom", "code": "500"}}]),
            "ends with an error: box1 (http://box1) failed (500: oom)",
        ),
        ("tools", lambda body: message(body), "did not call the tool"),
        ("tools", lambda body: tool_call(body, name="other"), "did not call the tool"),
        ("tools", lambda body: tool_call(body, arguments='{"city": '), "no JSON"),
        ("tools", lambda body: tool_call(body, arguments='"Paris"'), "no JSON object"),
    ],
)
def test_a_lie_about_a_capability_is_caught(
    gateway: Gateway, probe: str, lie: Lie, reason: str
) -> None:
    gateway.lies[probe] = lambda body: lie(body) if body["model"] == "box1/llama" else None
    failed = failures(gateway)
    assert list(failed) == [("llama", "box1", probe)]
    assert reason in failed["llama", "box1", probe]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([[1, 2], [2, 1]], "has 2 dimensions, declared are 3"),
        ([[0, 0, 0], [1, 2, 3]], "constant"),
        ([[1, 2, 3], [1, 2, 3]], "two texts have the same vector"),
        ([[1, 2, 3]], "no vector"),
        ([[], []], "no vector"),
    ],
)
def test_a_vector_that_is_none_is_caught(
    gateway: Gateway, values: list[list[float]], reason: str
) -> None:
    gateway.lies["embedding"] = lambda body: vectors(body, *values)
    assert reason in failures(gateway)["embed", "box1", "embedding"]


def test_thinking_counts_as_text(gateway: Gateway) -> None:
    gateway.lies["chat"] = lambda body: message(body, content=None, reasoning_content="hm")
    assert failures(gateway) == {}


def test_an_answer_from_another_instance_is_caught(gateway: Gateway) -> None:
    def lie(body: Body) -> httpx.Response:
        return httpx.Response(200, headers=answered_by("box2/llama"), json={})

    gateway.lies["chat"] = lambda body: lie(body) if body["model"] == "box1/llama" else None
    detail = failures(gateway)["llama", "box1", "chat"]
    assert "answered by box2/llama" in detail and "not by box1/llama" in detail


def test_an_answer_after_a_fallback_is_caught(gateway: Gateway) -> None:
    def lie(body: Body) -> httpx.Response:
        answer = message(body)
        answer.headers["x-litellm-attempted-fallbacks"] = "1"
        return answer

    gateway.lies["chat"] = lambda body: lie(body) if body["model"] == "cloud/gpt" else None
    assert "after 1 fallbacks" in failures(gateway)["gpt", "cloud", "chat"]


def test_a_public_name_answered_by_another_model_is_caught(gateway: Gateway) -> None:
    def lie(body: Body) -> httpx.Response:
        return httpx.Response(200, headers=answered_by("cloud/gpt"), json={})

    gateway.lies["chat"] = lambda body: lie(body) if body["model"] == "llama" else None
    failed = failures(gateway)
    assert "answered by cloud/gpt" in failed["llama", "", "name"]
    assert "not by box1/llama or box2/llama" in failed["llama", "", "name"]


def test_a_public_name_may_be_answered_by_its_second_instance(gateway: Gateway) -> None:
    def second(body: Body) -> httpx.Response:
        answer = message(body)
        answer.headers.update(answered_by("box2/llama", x_litellm_attempted_fallbacks="1"))
        return answer

    gateway.lies["chat"] = lambda body: second(body) if body["model"] == "llama" else None
    results = gateway.prove()
    assert next(checked.instance for checked in results if checked.check == "name") == "box2"
    assert all(result.ok for result in results)


@pytest.mark.parametrize(
    "passing",
    [
        lambda body: error(429, "No deployments available for selected model"),
        lambda body: httpx.Response(200, headers=answered_by("box1/llama"), json={}),
    ],
    ids=["nobody", "another model"],
)
def test_an_instance_that_is_put_aside_is_waited_for(gateway: Gateway, passing: Lie) -> None:
    resting = [1, 2]
    gateway.lies["chat"] = lambda body: (
        passing(body) if body["model"] == "gpt" and resting and resting.pop() else None
    )
    assert failures(gateway) == {}
    assert not resting


def test_a_wrong_request_waits_for_an_instance_that_is_put_aside(gateway: Gateway) -> None:
    resting = [1, 2]
    gateway.lies["wrong"] = lambda body: (
        message({"model": "gpt"}) if resting and resting.pop() else None
    )
    assert failures(gateway) == {}
    assert not resting


def test_what_is_put_aside_after_this_proofs_own_failures_is_not_waited_for() -> None:
    gateway = Gateway()
    gateway.lies["chat"] = lambda body: error(429, "No deployments available for selected model")
    assert ("gpt", "", "name") in failures(gateway)
    assert len(gateway.asked("gpt")) == 1


@pytest.mark.parametrize("limit", ["RPM", "TPM"])
def test_the_declared_limit_a_minute_is_waited_for(gateway: Gateway, limit: str) -> None:
    limited = [1, 2, 3]
    gateway.lies["stream"] = lambda body: (
        error(429, f"litellm.RateLimitError: Model rate limit exceeded. {limit} limit=1")
        if body["model"] == "cloud/gpt" and limited and limited.pop()
        else None
    )
    assert failures(gateway) == {}
    assert not limited
