"""What goes wrong on the way to a gateway: explained, bounded in time, and without the key."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from llmrack.verify.gateway import GRACE
from tests.unit.lying_gateway import KEY, Body, Gateway, answered_by, error, failures, kind


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (
            401,
            "litellm.AuthenticationError: Ollama_chatException - unauthorized",
            "refuses the key (401); give a valid one: llmrack secrets rotate OLLAMA_API_KEY",
        ),
        (
            404,
            "litellm.NotFoundError: model 'gpt' not found",
            "does not know the model 'gpt' (404); correct models.gpt.model",
        ),
        (
            500,
            "litellm.APIConnectionError: Cannot connect to host REDACTED:1 ssl:<ssl.SSLContext>",
            "the gateway cannot connect to cloud (http://cloud)",
        ),
        (500, "OpenAIException - Connection error.", "the gateway cannot connect to cloud"),
        (500, "Cannot connect to host x [Name or service not known]", "there is no address"),
        (
            500,
            "Cannot connect to host REDACTED:1 ssl:True [SSLCertVerificationError: "
            "CERTIFICATE_VERIFY_FAILED] certificate verify failed",
            "a certificate that the gateway's host does not trust",
        ),
        (408, "litellm.Timeout: Connection timed out", "did not answer the gateway in time"),
        (408, "litellm.Timeout: cloud is lost", "the gateway cannot connect to cloud"),
        (429, "litellm.RateLimitError: slow down", "quota is used up (429"),
        (429, "No deployments available for selected model", "set cloud (http://cloud) aside"),
        (400, "Invalid model name passed in model=gpt", "the gateway does not know 'gpt'"),
        (401, "there is no such key; ask", "the gateway refuses its own master key"),
        (503, "something\nelse", "failed (503: something else)"),
    ],
)
def test_an_error_is_explained_with_a_way_out(
    gateway: Gateway, status: int, text: str, reason: str
) -> None:
    gateway.lies["chat"] = lambda body: (
        error(status, text) if body["model"] == "cloud/gpt" else None
    )
    detail = failures(gateway)["gpt", "cloud", "chat"]
    assert reason in detail and ";" in detail


def test_a_refused_key_where_none_is_declared_asks_for_one(gateway: Gateway) -> None:
    gateway.lies["embedding"] = lambda _: error(401, "litellm.AuthenticationError: no")
    assert "providers.local.api_key" in failures(gateway)["embed", "box1", "embedding"]


def hang(body: Body) -> httpx.Response:
    raise httpx.ReadTimeout("timed out")


def test_a_hang_is_a_failure_and_is_not_waited_for_again(gateway: Gateway) -> None:
    gateway.lies["chat"] = lambda body: hang(body) if body["model"] == "box1/llama" else None
    failed = failures(gateway)
    assert (
        "the gateway, asked for box1, did not answer within 102 s"
        in failed["llama", "box1", "chat"]
    )
    assert (
        failed["llama", "box1", "stream"]
        == "box1 is not asked again, since it did not answer in time before; mend that first"
    )
    assert len(gateway.asked("box1/llama")) == 1
    assert len(gateway.asked("box2/llama")) == 4


def test_a_timeout_that_the_gateway_reports_is_not_waited_for_again(gateway: Gateway) -> None:
    gateway.lies["chat"] = lambda body: error(408, "litellm.Timeout: late")
    gateway.prove()
    assert len(gateway.asked("cloud/gpt", "gpt")) == 1


def test_an_instance_that_the_gateway_lost_costs_no_time_and_is_asked_on(gateway: Gateway) -> None:
    gateway.lies["chat"] = lambda body: error(408, "litellm.Timeout: cloud is lost")
    failed = failures(gateway)
    assert len(gateway.asked("cloud/gpt")) > 1
    assert not any("not asked again" in detail for detail in failed.values())


def test_each_request_is_bounded_by_the_times_of_its_model(gateway: Gateway) -> None:
    gateway.prove()
    bounds = {
        (body["model"], kind(body)): request.extensions["timeout"]["read"]
        for request in gateway.requests
        if request.content and (body := json.loads(request.content))
    }
    assert bounds["box1/llama", "chat"] == 100 + GRACE
    assert bounds["box1/llama", "stream"] == 10 + GRACE
    assert bounds["cloud/gpt", "chat"] == 20 + GRACE
    assert bounds["cloud/gpt", "stream"] == 5 + GRACE


def test_a_stream_that_never_ends_is_cut_off(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 10_000_000, 10))
    monkeypatch.setattr("llmrack.verify.exchange.time.perf_counter", lambda: next(seconds))

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            while True:
                yield b": still alive\n\n"

    gateway.lies["stream"] = lambda body: httpx.Response(
        200, headers=answered_by(body["model"]), stream=Endless()
    )
    assert "did not answer within 102 s" in failures(gateway)["llama", "box1", "stream"]


def test_a_broken_connection_is_told(gateway: Gateway) -> None:
    def broken(body: Body) -> httpx.Response:
        raise httpx.RemoteProtocolError("peer closed connection")

    gateway.lies["chat"] = broken
    assert "broke off (peer closed connection)" in failures(gateway)["gpt", "cloud", "chat"]


def test_no_detail_holds_the_key(gateway: Gateway) -> None:
    gateway.lies["chat"] = lambda _: error(500, f"you sent {KEY}")
    details = failures(gateway).values()
    assert details and not any(KEY in detail for detail in details)
    assert any("<LITELLM_MASTER_KEY>" in detail for detail in details)
