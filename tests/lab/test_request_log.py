"""What a real gateway on loopback notes of requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmrack.lab.shell import wait_until
from tests.lab.front import Front
from tests.lab.gateway_process import KEY
from tests.lab.keyed_front import DECLARED, ask, key, keyed_front


@pytest.fixture(scope="module")
def front(gateway_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with keyed_front(gateway_python, tmp_path_factory.mktemp("gateway")) as front:
        yield front


def noted(front: Front, **wanted: object) -> list[dict[str, Any]]:
    """The lines of the log of requests that have this in them."""
    file = front.process.folder / "requests.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if wanted.items() <= line.items()]


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_is_noted_of_a_request(front: Front, stream: bool) -> None:
    answer = ask(front, "aliased", model="short", stream=stream)
    assert answer.text
    its = {"id": answer.headers["x-litellm-call-id"]}
    assert wait_until(lambda: noted(front, **its), 10)
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
    before = noted(front, key=name, model=body["model"])
    assert ask(front, name, path, **body).status_code == 200
    # A line that is one too many would come before that of the next request.
    assert ask(front, "chatty", model="chat", user="next").status_code == 200

    def since() -> list[dict[str, Any]]:
        return noted(front, key=name, model=body["model"])[len(before) :]

    assert wait_until(since, 10)
    assert [line["status"] for line in since()] == [200]


def test_no_client_can_be_noted_as_another(front: Front) -> None:
    names = {"user_api_key_alias": "everything", "user_api_key_user_id": "everything"}
    answer = ask(front, "aliased", model="short", metadata=names, litellm_metadata=names)
    assert answer.status_code == 200
    its = {"id": answer.headers["x-litellm-call-id"]}
    assert wait_until(lambda: noted(front, **its), 10)
    assert [line["key"] for line in noted(front, **its)] == ["aliased"]


def test_refusals_are_noted_where_the_name_is_known(front: Front) -> None:
    def count(**wanted: object) -> int:
        return len(noted(front, **wanted))

    before = count(key="chatty", status=403), count(key="late", status=401)
    ask(front, "chatty", model="other")
    ask(front, "late", model="chat")
    after = count(key="chatty", status=403), count(key="late", status=401)
    assert after == (before[0] + 1, before[1] + 1)
    assert {line["model"] for line in noted(front, key="chatty", status=403)} >= {"other"}


def test_a_request_that_nobody_could_answer_is_noted_once(front: Front) -> None:
    answer = ask(front, "everything", model="any/unheard-of")
    assert answer.status_code >= 400
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
        assert wait_until(lambda: "requests are not noted" in front.process.log, 10)
    finally:
        file.rmdir()
        aside.rename(file)
