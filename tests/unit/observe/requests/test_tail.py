"""Requests as they are noted: following files, filters, the order of several gateways, lines."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from itertools import islice

import pytest
from gevent.queue import Queue

from llmrack.commands.tail import _doubts
from llmrack.observe.requests.on_host import BEGIN, program
from llmrack.observe.requests.tail import merged
from llmrack.observe.requests.tail_print import HEAD, rows
from llmrack.observe.requests.usage import stamp
from llmrack.shipped.host import tail as host_tail
from llmrack.shipped.host.tail import Filters, Following, wanted
from llmrack.stack.schema import Stack
from tests.unit.declare import STACK
from tests.unit.request_lines import FAILED, NOW, line, unanswered, write


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "gw", line(9, id="old"))


def add(folder, *ids, name="requests", ago=1.0):
    with (folder / f"{name}.jsonl").open("a") as file:
        file.writelines(json.dumps(line(ago, id=entry)) + "\n" for entry in ids)


def rotate(folder, stem="requests-20261121T120000.000Z"):
    (folder / "requests.jsonl").rename(folder / f"{stem}.jsonl")


def new(following):
    return [entry["id"] for _, entry in following.new()]


def test_what_was_noted_before_is_not_told(folder):
    following = Following(str(folder), None)
    assert new(following) == []
    add(folder, "new")
    assert (new(following), new(following)) == (["new"], [])


def test_a_log_that_is_yet_to_come_is_told_from_its_begin(tmp_path):
    following = Following(str(tmp_path), None)
    add(tmp_path, "first")
    assert new(following) == ["first"]


def test_lines_of_both_files_are_told_across_rotation(folder):
    following = Following(str(folder), None)
    add(folder, "before")
    rotate(folder)
    add(folder, "after")
    assert new(following) == ["before", "after"]


def test_a_line_that_comes_late_to_the_file_put_aside_is_told(folder):
    following = Following(str(folder), None)
    rotate(folder)
    add(folder, "after")
    assert new(following) == ["after"]
    add(folder, "late", name="requests-20261121T120000.000Z")
    assert new(following) == ["late"]


def test_files_put_aside_long_ago_are_let_go(folder):
    following = Following(str(folder), None)
    for number in range(5):
        rotate(folder, f"requests-20261121T12000{number}.000Z")
        add(folder, str(number))
        assert new(following) == [str(number)]
    assert len(following._files) == 2


def test_half_a_line_is_told_when_it_is_whole(folder):
    following = Following(str(folder), None)
    text = json.dumps(line(1, id="slow")) + "\n"
    with (folder / "requests.jsonl").open("a") as file:
        file.write(text[:50])
        file.flush()
        assert new(following) == []
        file.write(text[50:])
    assert new(following) == ["slow"]


def test_damaged_lines_are_passed_over(folder):
    following = Following(str(folder), None)
    with (folder / "requests.jsonl").open("ab") as file:
        file.write(b'\n{"time":\n[1]\n{"time": 3}\n\xff\n')
    add(folder, "good")
    assert new(following) == ["good"]


def test_the_past_begins_where_it_is_wanted(tmp_path):
    add(tmp_path, "older", "oldest", name="requests-20261121T115800.000Z", ago=125)
    add(tmp_path, "old", name="requests-20261121T115900.000Z", ago=70)
    add(tmp_path, "new")
    following = Following(str(tmp_path), stamp(NOW - timedelta(seconds=100)))
    assert new(following) == ["old", "new"]


@pytest.mark.parametrize(
    ("asked", "passes"),
    [
        ({"model": "llama"}, True),
        ({"model": "other"}, True),
        ({"model": "third"}, False),
        ({"key": "demo"}, True),
        ({"key": "eve"}, False),
        ({"provider": "local"}, True),
        ({"provider": "cloud"}, False),
        ({"slow": 1.0}, True),
        ({"slow": 1.001}, False),
        ({"errors": True}, False),
        ({"model": "llama", "key": "eve"}, False),
    ],
)
def test_filters_pass_what_they_name(asked, passes):
    assert wanted(line(1, served="other", duration=1.0), Filters(**asked)) is passes


@pytest.mark.parametrize(
    "failed",
    [unanswered(1, "timeout"), line(1, attempts=[FAILED]), line(1, error="left", status=499)],
    ids=["nobody answered", "another one answered", "the client left"],
)
def test_errors_are_of_requests_and_of_attempts(failed):
    assert wanted(failed, Filters(errors=True))


def read(*lines, awaited=(), count):
    """The first lines that come out, by their ids."""
    queue = Queue()
    for entry in lines:
        queue.put(entry)
    stream = merged(queue, set(awaited))
    return [(entry["gateway"], entry["id"]) for entry in islice(stream, count)]


def test_gateways_are_merged_by_time():
    lines = [("gw1", line(1, id="c")), ("gw1", line(3, id="a")), ("gw2", line(2, id="b"))]
    assert read(*lines, count=3) == [("gw1", "a"), ("gw2", "b"), ("gw1", "c")]


def test_lines_of_one_time_keep_their_order():
    lines = [("gw", line(1, id=name)) for name in "cab"]
    assert read(*lines, count=3) == [("gw", name) for name in "cab"]


def test_the_past_waits_for_that_of_every_gateway(monkeypatch):
    monkeypatch.setattr("llmrack.observe.requests.tail.HOLD", 0.0)
    lines = [
        ("gw1", line(50, id="b")),
        ("gw1", None),
        ("gw2", line(90, id="a")),
        ("gw2", None),
    ]
    assert read(*lines, awaited=("gw1", "gw2"), count=2) == [("gw2", "a"), ("gw1", "b")]


@pytest.fixture
def follower(folder):
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", BEGIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    sent = program(host_tail, folder=str(folder), since=None, filters=Filters())
    process.stdin.write(sent.encode() + b"\n")
    process.stdin.flush()
    # It has looked at what is there.
    assert process.stdout.readline() == b"\n"
    yield process
    process.kill()
    process.communicate()


def test_the_program_tells_lines_on_a_host_that_has_nothing_of_ours(follower, folder):
    add(folder, "new")
    assert json.loads(follower.stdout.readline())["id"] == "new"


def test_the_program_ends_when_nobody_listens(follower):
    follower.stdin.close()
    assert follower.wait(10) == 0


def shown(**fields):
    return list(rows(line(1, **fields)))


def test_a_request_is_a_line():
    (text,) = shown(input_tokens=1234)
    assert text == (
        "11:59:59 demo     llama → box1                     200 1.23k    20   0.10   1.00"
    )


def test_what_else_was_tried_is_a_second_line():
    _, text = shown(served="other", position=1, attempts=[FAILED])
    assert text.strip() == "answered by other; box2: connection"


def test_what_nobody_answered_says_why():
    (text,) = rows(unanswered(1, "timeout"))
    assert "llama ✗ timeout " in text and " 502 " in text


def test_no_line_is_longer_than_eighty_columns():
    long = "a/model:with-a-name-\x1b[31m-that-is-longer-than-a-column"
    texts = shown(
        model=long, key=long, served=long, instance="a-rather-long-host-name/second",
        error="broken off", attempts=[FAILED] * 9, duration=12345.6, input_tokens=123_456_789,
    )  # fmt: skip
    assert {len(text) <= 80 for text in (*texts, HEAD)} == {True}
    assert not any("\x1b" in text for text in texts)


def test_a_line_of_an_older_release_is_shown():
    (text,) = rows({"time": stamp(NOW), "key": "demo", "model": "llama", "status": 200})
    assert text.startswith("12:00:00 demo     llama ")


def test_a_name_that_nobody_declared_is_said_with_the_nearest():
    stack = Stack.model_validate(STACK)
    assert _doubts(Filters(model="codr", key="master", provider="vllm"), stack) == [
        "no model 'codr' is declared; did you mean 'coder'?"
    ]
