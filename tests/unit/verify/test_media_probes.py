"""The proof of transcriptions, speech, ranks and images, shown able to fail."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable

import httpx
import pytest

from llmrack.secrets.value import Secret
from llmrack.stack.deployments import Deployment
from llmrack.verify.exchange import Bounds
from llmrack.verify.gateway import PROBES
from llmrack.verify.media_probes import SMALLEST, tone
from llmrack.verify.probes import Target
from llmrack.verify.results import Failed

ONE = Deployment("x", "x", "x", "first", "http://first/v1", "first", "openai/x", None)
BOUNDS = Bounds(5, 5)
HEADERS = {"x-litellm-model-id": "first/x", "x-litellm-attempted-fallbacks": "0"}


def prove(kind: str, answer: Callable[[httpx.Request], httpx.Response]) -> str:
    """Who answered, by the probe of a kind."""

    def answered(request: httpx.Request) -> httpx.Response:
        answered_request = answer(request)
        answered_request.headers.update(HEADERS)
        return answered_request

    with httpx.Client(transport=httpx.MockTransport(answered), base_url="http://gw") as client:
        target = Target(client, Secret("sk-key"), "first/x", [ONE], BOUNDS, BOUNDS, None)
        return PROBES[kind][0](target).instance


def test_the_tone_is_a_second_long() -> None:
    with wave.open(io.BytesIO(tone())) as file:
        assert file.getnframes() == file.getframerate()


def test_a_transcription_is_asked_for_by_a_form() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"].startswith("multipart/form-data")
        for part in (
            b'name="model"\r\n\r\nfirst/x',
            b'name="disable_fallbacks"\r\n\r\nTrue',
            tone(),
        ):
            assert part in request.content
        return httpx.Response(200, json={"text": ""})

    assert prove("transcription", answer) == "first"


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("transcription", httpx.Response(200, json={"heard": 1}), "the answer has no text"),
        ("speech", httpx.Response(200, json={}), "no audio but 2 bytes of application/json"),
        ("speech", httpx.Response(200, headers={"content-type": "audio/mpeg"}), "but 0 bytes"),
        ("rerank", httpx.Response(200, json={"results": []}), "not every document has a rank"),
        (
            "rerank",
            httpx.Response(200, json={"results": [{"index": 0, "relevance_score": 1}]}),
            "not every document has a rank",
        ),
        ("image", httpx.Response(200, json={"data": [{}]}), "the answer has no image"),
        ("image", httpx.Response(200, json={"data": [{"b64_json": "§"}]}), "has no image"),
        (
            "speech",
            httpx.Response(404, json={"error": {"message": "no such model"}}),
            "does not know the model 'x' (404)",
        ),
    ],
)
def test_another_answer_proves_nothing(kind: str, answer: httpx.Response, reason: str) -> None:
    with pytest.raises(Failed) as caught:
        prove(kind, lambda _: answer)
    assert reason in caught.value.detail


def test_an_image_of_another_size_is_asked_for_where_the_smallest_is_refused() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        asked.append((body.get("size"), body["n"]))
        if "size" in body:
            return httpx.Response(400, json={"error": {"message": "Invalid value: '256x256'"}})
        return httpx.Response(200, json={"data": [{"b64_json": "iVBORw0KGgo="}]})

    assert prove("image", answer) == "first"
    assert asked == [(SMALLEST, 1), (None, 1)]


def test_an_image_is_asked_for_once_where_something_else_fails() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500, json={"error": {"message": "boom"}})

    with pytest.raises(Failed, match="boom"):
        prove("image", answer)
    assert len(asked) == 1


def thoughtful(message: dict[str, str], details: dict[str, int]) -> Callable[..., httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        assert json.loads(request.content)["reasoning_effort"] == "low"
        reason = {"message": {"content": "one"} | message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "completion_tokens_details": details}
        return httpx.Response(200, json={"choices": [reason], "usage": usage})

    return answer


@pytest.mark.parametrize(
    ("message", "details"),
    [({"reasoning_content": "Hm."}, {}), ({}, {"reasoning_tokens": 5})],
    ids=["thought", "count"],
)
def test_a_thought_or_its_count_proves_that_a_model_thinks(
    message: dict[str, str], details: dict[str, int]
) -> None:
    assert prove("thinking", thoughtful(message, details)) == "first"


def test_an_answer_without_a_thought_is_a_failure() -> None:
    with pytest.raises(Failed, match="first did not think"):
        prove("thinking", thoughtful({}, {}))
