"""The proof of public names that are no model's own: tiers, mixes, aliases, wildcards."""

from __future__ import annotations

import httpx
import pytest

from tests.unit.lying_gateway import (
    DEPLOYMENTS,
    STACK,
    Body,
    Gateway,
    answered_by,
    error,
    failures,
    message,
)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.mark.parametrize("name", ["eco", "mixed", "mini"])
def test_a_name_that_leads_to_models_is_asked_once(gateway: Gateway, name: str) -> None:
    gateway.prove()
    assert len(gateway.asked(name)) == 1
    assert not [result for result in gateway.requests if f"@{name}".encode() in result.content]


@pytest.mark.parametrize("name", ["eco", "mixed", "mini"])
def test_a_name_that_leads_elsewhere_is_caught(gateway: Gateway, name: str) -> None:
    def lie(body: Body) -> httpx.Response:
        return httpx.Response(200, headers=answered_by("box1/embed"), json={})

    gateway.lies["chat"] = lambda body: lie(body) if body["model"] == name else None
    failed = failures(gateway)
    assert list(failed) == [(name, "", "name")]
    assert "answered by box1/embed" in failed[name, "", "name"]


def test_a_tier_may_be_answered_by_its_second_model(gateway: Gateway) -> None:
    def second(body: Body) -> httpx.Response:
        answer = message(body)
        answer.headers.update(answered_by("cloud/gpt@eco", x_litellm_attempted_fallbacks="1"))
        return answer

    gateway.lies["chat"] = lambda body: second(body) if body["model"] == "eco" else None
    results = gateway.prove()
    assert [checked.instance for checked in results if checked.subject == "eco"] == ["cloud/gpt"]
    assert all(result.ok for result in results)


def test_a_wildcard_is_asked_once_for_a_name_that_nobody_has(gateway: Gateway) -> None:
    gateway.prove()
    (body,) = [body for body in gateway.asked("any/llmrack-no-such-model")]
    assert body["disable_fallbacks"] is True


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (401, "litellm.AuthenticationError: OpenAIException - no", "refuses the key (401)"),
        (404, "litellm.NotFoundError: OpenAIException - Not Found", "providers.cloud.url"),
        (404, "You passed in model=any/x. There are no healthy", "does not say so (404"),
        (500, "litellm.InternalServerError: OpenAIException - boom", "failed (500"),
    ],
)
def test_a_wildcard_whose_refusal_is_not_about_the_model_is_caught(
    gateway: Gateway, status: int, text: str, reason: str
) -> None:
    gateway.lies["unknown"] = lambda body: error(status, text)
    failed = failures(gateway)
    assert list(failed) == [("any/*", "", "unknown model")]
    assert reason in failed["any/*", "", "unknown model"]


def test_a_provider_that_calls_an_unknown_model_a_bad_request_is_proven(gateway: Gateway) -> None:
    text = "litellm.BadRequestError: OpenAIException - x is not a valid model ID"
    gateway.lies["unknown"] = lambda body: error(400, text)
    assert failures(gateway) == {}


def test_a_name_that_only_disabled_providers_serve_is_neither_listed_nor_asked(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = STACK.providers["cloud"].model_copy(update={"enabled": False})
    stack = STACK.model_copy(update={"providers": {**STACK.providers, "cloud": cloud}})
    left = [deployment for deployment in DEPLOYMENTS if deployment.instance != "cloud"]
    monkeypatch.setattr("tests.unit.lying_gateway.STACK", stack)
    monkeypatch.setattr("tests.unit.lying_gateway.DEPLOYMENTS", left)
    gateway.models = ["llama", "embed", "eco", "mixed"]
    results = gateway.prove()
    assert all(result.ok for result in results)
    assert not {"gpt", "any/*", "mini"} & {result.subject for result in results}
