"""What is measured while an instance is lost, at a gateway that answers as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from llmrack.drills import asking as drill_ask
from llmrack.drills.asking import Asker
from llmrack.drills.plan import Drill, plan
from llmrack.secrets.value import Secret
from llmrack.stack.schema import Stack
from llmrack.verify.results import Result
from tests.unit.declare import two_boxes

KEY = "sk-the-master-key"
STACK = Stack.model_validate(
    {
        "providers": {"local": {"kind": "ollama", "first_token_timeout": 1}},
        "models": {
            "llama": {"provider": "local"},
            "embed": {"provider": "local", "capabilities": ["embedding"]},
        },
    }
)


def drill_of(cause: str = "stopped") -> Drill:
    fleet = two_boxes()
    results = plan(STACK, fleet, fleet.gateways[0])
    return next(d for d in results.drills if (d.instance, d.cause) == ("box1", cause))


class Gateway:
    """Who answers, after how many seconds: told by the model that is asked for."""

    def __init__(self) -> None:
        self.who: Callable[[str], str] = lambda model: model if "/" in model else f"box2/{model}"
        self.seconds: Callable[[int], float] = lambda number: 0.0
        self.requests = 0
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.requests += 1
            number = self.requests
        time.sleep(self.seconds(number))
        body = json.loads(request.content)
        who = self.who(body["model"])
        if not who:
            text = "litellm.ServiceUnavailableError: nobody is left"
            return httpx.Response(503, json={"error": {"message": text, "code": "503"}})
        headers = {"x-litellm-model-id": who, "x-litellm-attempted-fallbacks": "0"}
        if "input" in body:
            vectors = [{"embedding": [0.1, 0.2 + number]} for number in range(2)]
            return httpx.Response(200, headers=headers, json={"data": vectors})
        words = {"content": "one two"}
        if body.get("stream"):
            events = [
                {"choices": [{"delta": words}]},
                {"choices": [{"delta": {}, "finish_reason": "stop"}]},
            ]
            lines = [f"data: {json.dumps(event)}\n\n" for event in events]
            return httpx.Response(200, headers=headers, text="".join([*lines, "data: [DONE]\n\n"]))
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        answer = {"choices": [{"message": words}], "usage": usage}
        return httpx.Response(200, headers=headers, json=answer)

    def asker(self, *drills: Drill) -> Asker:
        """One that has asked everybody while all was well."""
        client = httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(self))
        asker = Asker(client, Secret(KEY), STACK, "box1")
        assert asker.before(drills) == []
        self.requests = 0
        return asker


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def lost(gateway: Gateway, drill: Drill, number: int = 0) -> dict[str, Result]:
    asker = gateway.asker(drill)
    return {result.check: result for result in asker.lost(drill, drill.asked[number])}


def test_streamed_and_plain_requests_are_measured_and_one_more(gateway: Gateway) -> None:
    results = lost(gateway, drill_of())
    assert list(results) == ["stopped: stream", "stopped: plain", "stopped: again"]
    assert all(result.ok and result.detail == "answered by box2" for result in results.values())
    assert results["stopped: stream"].first_token is not None
    assert gateway.requests == 2 * 2 + 1


def test_vectors_are_asked_for_where_the_model_embeds(gateway: Gateway) -> None:
    assert list(lost(gateway, drill_of(), 1)) == ["stopped: plain", "stopped: again"]


def test_a_request_that_nobody_answers_has_failed(gateway: Gateway) -> None:
    drill = drill_of()
    asker = gateway.asker(drill)
    gateway.who = lambda model: ""
    results = asker.lost(drill, drill.asked[0])
    assert [result.ok for result in results] == [False] * 3
    assert results[0].detail.startswith("nobody stood in, though box2 should; deploy again")


def test_an_answer_from_what_is_lost_is_no_proof(gateway: Gateway) -> None:
    drill = drill_of()
    asker = gateway.asker(drill)
    gateway.who = lambda model: f"box1/{model}"
    (stream, *_) = asker.lost(drill, drill.asked[0])
    assert not stream.ok and "box1 has answered, so it was not out of reach" in stream.detail


def test_the_slowest_of_a_volley_counts(gateway: Gateway) -> None:
    gateway.seconds = lambda number: 0.3 if gateway.requests and number == 2 else 0.0
    results = lost(gateway, drill_of())
    slowest = max(results["stopped: stream"].latency or 0, results["stopped: plain"].latency or 0)
    assert slowest >= 0.3


def test_who_takes_too_long_to_stand_in_has_failed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill_ask, "SLACK", 0.1)
    drill = drill_of("frozen")
    asker = gateway.asker(drill)
    gateway.seconds = lambda number: 1.5
    (stream, *_) = asker.lost(drill, drill.asked[0])
    assert not stream.ok
    assert " took 1.5 s, 1." in stream.detail and "are allowed (box2 by itself" in stream.detail


def test_who_never_answers_lacks_a_deadline(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill_ask, "SLACK", 0.1)
    monkeypatch.setattr(drill_ask, "PATIENCE", 0.1)
    providers = {"local": {"kind": "ollama"}}
    drill = drill_of()
    asker = gateway.asker(drill)
    monkeypatch.setattr(
        asker, "_stack", Stack.model_validate(STACK.model_dump() | {"providers": providers})
    )

    def late(model: str) -> str:
        raise httpx.ReadTimeout("late")

    gateway.seconds = lambda number: 0.6
    gateway.who = late
    (stream, *_) = asker.lost(drill, drill.asked[0])
    assert stream.detail.startswith("nobody had answered after 1 s; declare first_token_timeout of")


def test_only_the_first_may_pay_for_the_loss(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill_ask, "SLACK", 0.1)
    drill = drill_of("frozen")
    asker = gateway.asker(drill)
    gateway.seconds = lambda number: 0.5
    (stream, plain, again) = asker.lost(drill, drill.asked[0])
    assert stream.ok and plain.ok and not again.ok


def test_the_way_back_is_measured_until_the_instance_answers(gateway: Gateway) -> None:
    drill = drill_of()
    asker = gateway.asker(drill)
    gateway.who = lambda model: f"box{1 if gateway.requests > 3 else 2}/{model}"
    back = asker.back(drill, drill.asked[0], time.monotonic())
    assert back.ok and back.latency is not None and back.latency >= 3 * drill_ask.PACE
    assert gateway.requests == 4


def test_nobody_is_turned_away_on_the_way_back(gateway: Gateway) -> None:
    drill = drill_of()
    asker = gateway.asker(drill)
    gateway.who = lambda model: ""
    assert not asker.back(drill, drill.asked[0], time.monotonic()).ok


def test_an_instance_that_is_not_used_again_has_failed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drill_ask, "RETURN", 0.5)
    drill = drill_of()
    back = gateway.asker(drill).back(drill, drill.asked[0], time.monotonic())
    assert not back.ok and "has not used box1 again" in back.detail


def test_who_is_unwell_before_is_told(gateway: Gateway) -> None:
    drill = drill_of()
    asker = gateway.asker(drill)
    gateway.who = lambda model: model if model.startswith("box1/") else ""
    results = asker.before([drill])
    assert {(result.instance, result.check, result.ok) for result in results} == {
        ("box2", "before", False)
    }


def test_the_key_stays_out_of_results(gateway: Gateway) -> None:
    drill = drill_of()
    asker = gateway.asker(drill)
    gateway.who = lambda model: f"{KEY}/{model}"
    assert KEY not in str(asker.lost(drill, drill.asked[0]))
