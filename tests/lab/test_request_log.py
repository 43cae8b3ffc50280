"""What a real gateway on loopback notes of requests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.front import Front
from tests.lab.gateway_process import KEY
from tests.lab.keyed_front import DECLARED, SPOKEN, ask, key, keyed_front


@pytest.fixture(scope="module")
def front(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with keyed_front(gateway_python, tmp_path_factory.mktemp("gateway")) as front:
        yield front


def noted(front: Front, **wanted: object) -> list[dict[str, Any]]:
    """The lines of the log of requests that have this in them."""
    file = front.process.folder / "requests.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if wanted.items() <= line.items()]


def settle(front: Front) -> None:
    """Wait until the lines of all requests before are there: a line comes after its answer."""
    its = {"id": ask(front, "aliased", model="short").headers["x-litellm-call-id"]}
    assert wait_until(lambda: noted(front, **its), DEADLINE)


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_is_noted_of_a_request(front: Front, stream: bool) -> None:
    answer = ask(front, "aliased", model="short", stream=stream)
    assert answer.text
    its = {"id": answer.headers["x-litellm-call-id"]}
    assert wait_until(lambda: noted(front, **its), DEADLINE)
    (line,) = noted(front, **its)
    assert (line["key"], line["model"], line["status"]) == ("aliased", "short", 200)
    assert line["input_tokens"] > 0 and line["output_tokens"] > 0 and 0 < line["duration"] < 10


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("chatty", "/v1/embeddings", {"model": "vector", "input": "x"}),
        ("everything", "/v1/messages", {"model": "backup", "max_tokens": 9}),
        ("everything", "/v1/responses", {"model": "attic", "input": "x"}),
        ("failing", "/v1/chat/completions", {"model": "backed"}),
    ],
    ids=["embedding", "messages", "responses", "after a failure"],
)
def test_one_line_is_noted_of_every_kind_of_request(
    front: Front, name: str, path: str, body: dict[str, Any]
) -> None:
    settle(front)
    before = noted(front, key=name, model=body["model"])
    assert ask(front, name, path, **body).status_code == 200
    # A line that is one too many would come before that of the next request.
    assert ask(front, "chatty", model="chat", user="next").status_code == 200

    def since() -> list[dict[str, Any]]:
        return noted(front, key=name, model=body["model"])[len(before) :]

    assert wait_until(since, DEADLINE)
    assert [line["status"] for line in since()] == [200]


def test_no_client_can_be_noted_as_another(front: Front) -> None:
    names = {"user_api_key_alias": "everything", "user_api_key_user_id": "everything"}
    answer = ask(front, "aliased", model="short", metadata=names, litellm_metadata=names)
    assert answer.status_code == 200
    its = {"id": answer.headers["x-litellm-call-id"]}
    assert wait_until(lambda: noted(front, **its), DEADLINE)
    assert [line["key"] for line in noted(front, **its)] == ["aliased"]


def line_of(front: Front, answer: Any) -> dict[str, Any]:
    """The one line of a request."""
    its = {"id": answer.headers["x-litellm-call-id"]}
    assert wait_until(lambda: noted(front, **its), DEADLINE)
    (line,) = noted(front, **its)
    return line


@pytest.mark.parametrize("stream", [False, True])
def test_who_answered_and_how_quickly_is_noted(front: Front, stream: bool) -> None:
    line = line_of(front, ask(front, "everything", model="chat", stream=stream))
    assert (line["served"], line["instance"], line["provider"]) == ("chat", "good", "good")
    assert line["place"] == "outside"
    assert (line["position"], line["attempts"], line["error"]) == (0, [], None)
    assert line["stream"] is stream
    assert 0 < line["first_token"] <= line["duration"]
    assert line["tokens_per_second"] > 0
    assert line["cost"] == 0


def test_an_alias_is_no_fallback(front: Front) -> None:
    line = line_of(front, ask(front, "aliased", model="short"))
    assert (line["model"], line["served"], line["position"]) == ("short", "chat", 0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_is_noted_with_what_failed_before_it(front: Front, stream: bool) -> None:
    # It rests after a failure, and then is not asked.
    def failed() -> dict[str, Any]:
        line = line_of(front, ask(front, "failing", model="backed", stream=stream))
        assert (line["served"], line["instance"], line["position"]) == ("backup", "good", 1)
        return line

    assert wait_until(lambda: failed()["attempts"], DEADLINE)
    (attempt,) = noted(front, model="backed", stream=stream)[-1]["attempts"]
    assert attempt.pop("seconds") >= 0
    assert attempt == {"instance": "bad", "model": "backed", "error": "server", "status": 500}


@pytest.mark.parametrize(("asked", "position"), [("either", 0), ("second", 1), ("split", 0)])
def test_the_place_in_a_tier_is_noted_and_a_mix_has_none(
    front: Front, asked: str, position: int
) -> None:
    line = line_of(front, ask(front, "everything", model=asked))
    assert (line["model"], line["position"]) == (asked, position)


def test_a_declared_price_is_the_cost(front: Front) -> None:
    line = line_of(front, ask(front, "everything", model="priced"))
    assert line["cost"] == pytest.approx(
        (2 * line["input_tokens"] + 8 * line["output_tokens"]) / 1e6, abs=1e-9
    )
    assert line["cost"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_content_is_kept_apart_where_that_is_declared(front: Front, stream: bool) -> None:
    answer = ask(front, "everything", model="recorded", stream=stream)
    line = line_of(front, answer)
    assert "messages" not in line
    file = front.process.folder / "content.jsonl"

    def kept() -> list[dict[str, Any]]:
        found = (
            [json.loads(each) for each in file.read_text().splitlines()] if file.exists() else []
        )
        return [each for each in found if each["id"] == line["id"]]

    assert wait_until(kept, DEADLINE)
    (content,) = kept()
    assert content["asked"] == SPOKEN
    assert content["answer"] in answer.text or stream
    assert content["answer"] and (content["key"], content["model"]) == ("everything", "recorded")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_stream_that_breaks_off_is_an_error(front: Front) -> None:
    answer = ask(front, "everything", model="brittle", stream=True)
    line = line_of(front, answer)
    assert (line["error"], line["served"]) == ("broken off", None)
    assert line["status"] >= 500
    assert [each["error"] for each in line["attempts"]] == ["broken off"]


@contextlib.contextmanager
def begun(front: Front) -> Iterator[httpx.Response]:
    """A stream that has begun and goes on."""
    with front.process.client.stream(
        "POST",
        "/v1/chat/completions",
        headers={"Authorization": f"Bearer {key('everything')}"},
        json=SPOKEN | {"model": "endless", "stream": True},
    ) as answer:
        next(answer.iter_lines())
        yield answer


def test_a_client_that_leaves_is_noted_as_such(front: Front) -> None:
    with begun(front) as answer:
        its = {"id": answer.headers["x-litellm-call-id"]}
    assert wait_until(lambda: noted(front, **its), DEADLINE)
    (line,) = noted(front, **its)
    assert (line["status"], line["error"], line["served"]) == (499, "left", "endless")


def test_refusals_are_noted_where_the_name_is_known(front: Front) -> None:
    def counts() -> tuple[int, int]:
        return len(noted(front, key="chatty", status=403)), len(
            noted(front, key="late", status=401)
        )

    settle(front)
    before = counts()
    ask(front, "chatty", model="other")
    ask(front, "late", model="chat")
    # A thread writes.
    assert wait_until(lambda: counts() == (before[0] + 1, before[1] + 1), DEADLINE)
    refused = noted(front, key="chatty", status=403)
    assert {(line["model"], line["error"]) for line in refused} >= {("other", "refused")}


def test_a_request_that_nobody_could_answer_is_noted_once(front: Front) -> None:
    answer = ask(front, "everything", model="any/unheard-of")
    assert answer.status_code >= 400
    assert wait_until(lambda: noted(front, model="any/unheard-of"), DEADLINE)
    (line,) = noted(front, model="any/unheard-of")
    assert (line["key"], line["status"]) == ("everything", answer.status_code)


def test_neither_keys_nor_what_was_said_are_in_the_log(front: Front) -> None:
    ask(front, "everything", model="chat")
    file = front.process.folder / "requests.jsonl"
    text = file.read_text() + front.process.log
    assert not any(value in text for value in (*map(key, DECLARED), KEY, "Say hello"))
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_request_fails_when_the_log_cannot_be_written(front: Front) -> None:
    file = front.process.folder / "requests.jsonl"
    aside = file.rename(file.with_suffix(".aside"))
    file.mkdir()
    try:
        assert all(ask(front, "everything", model="chat").json()["choices"] for _ in range(3))
        assert wait_until(lambda: "requests are not noted" in front.process.log, DEADLINE)
    finally:
        file.rmdir()
        aside.rename(file)


def test_all_but_the_request_in_flight_are_noted_when_the_gateway_is_killed(
    front: Front,
) -> None:
    """The last test of the module: nothing serves after it."""
    settle(front)
    before = len(noted(front, key="everything", model="chat"))
    for _ in range(20):
        assert ask(front, "everything", model="chat").status_code == 200
    with begun(front):
        front.process.process.kill()
        front.process.process.wait()
    text = (front.process.folder / "requests.jsonl").read_text()
    assert text.endswith("\n")
    assert len(noted(front, key="everything", model="chat")) == before + 20
