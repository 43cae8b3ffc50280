"""A report as table, JSON and JUnit XML, and its exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from xml.etree import ElementTree

from llmrack.verify.report import as_junit, table
from llmrack.verify.report_json import as_json, from_json
from llmrack.verify.results import Report, Result

LONG = "an-organisation/some-model-with-a-rather-long-name:671b-q4_K_M"
PROVEN = (
    Result("box1", "gateway", "health", True, "", 0.01),
    Result("box1", LONG, "chat", True, "box1", 599.99, None, 4.4),
    Result("box1", LONG, "stream", True, "box1", 1.0, 0.25, 12345.6),
    Result("box2", "ollama", "version", True, "box2", 0.01),
)
FAILURE = Result("box1", "gpt", "chat", False, "cloud", detail="refuses [bold]the key[/]; mend it")


def report(*results: Result, not_run: tuple[str, ...] = ()) -> Report:
    return Report(results, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), not_run)


def test_exit_code_is_0_when_all_is_proven() -> None:
    assert report(*PROVEN).exit_code == 0 and report(*PROVEN).ok


def test_exit_code_is_1_when_a_check_failed() -> None:
    failed = report(*PROVEN, FAILURE, not_run=("box3: no route",))
    assert failed.exit_code == 1 and not failed.ok


def test_exit_code_is_2_when_nothing_or_not_all_could_be_asked() -> None:
    assert report().exit_code == 2
    assert report(*PROVEN, not_run=("box3: no route",)).exit_code == 2


def test_the_table_fits_80_columns_of_plain_text() -> None:
    text = table(report(*PROVEN, FAILURE), ["cloud"])
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_the_table_wraps_long_names_and_cuts_nothing() -> None:
    text = table(report(*PROVEN))
    assert LONG in "".join(line[:28].strip() for line in text.splitlines() if "─" not in line)
    for whole in ("600 s", "0.25 s", "12346"):
        assert whole in text
    assert "…" not in text


def test_the_table_has_one_part_for_each_host() -> None:
    lines = table(report(*PROVEN, FAILURE)).splitlines()
    assert [line for line in lines if line in ("box1", "box2")] == ["box1", "box2"]


def test_the_table_says_ok_or_failed_in_words() -> None:
    text = table(report(*PROVEN, FAILURE))
    assert "ok: health" in text and "FAILED: chat" in text
    assert "4 of 5 checks proven." in text


def test_reasons_stand_below_the_table_as_they_are() -> None:
    text = table(report(FAILURE, not_run=("box3: no route",)))
    assert "FAILED box1: gpt on cloud (chat): refuses [bold]the key[/]; mend it" in text
    assert "NOT ASKED box3: no route" in text


def test_the_same_reason_stands_there_once() -> None:
    again = Result("box1", "gpt", "stream", False, "cloud", detail=FAILURE.detail)
    text = table(report(FAILURE, again))
    assert "gpt on cloud (chat, stream): refuses" in text
    assert text.count("mend it") == 1


def test_stand_ins_are_named_only_where_there_are_any() -> None:
    assert "stand-ins, not the real thing: cloud, vllm" in table(report(), ["cloud", "vllm"])
    assert "stand-in" not in table(report())


def test_json_holds_every_result_and_the_exit_code() -> None:
    data = json.loads(as_json(report(*PROVEN, FAILURE), ["cloud"]))
    assert (data["ok"], data["exit_code"], data["standins"]) == (False, 1, ["cloud"])
    assert data["started_at"] == "2026-01-02T03:04:05+00:00"
    assert data["results"][2] == {
        "host": "box1",
        "subject": LONG,
        "check": "stream",
        "ok": True,
        "instance": "box1",
        "latency": 1.0,
        "first_token": 0.25,
        "tokens_per_second": 12345.6,
        "detail": "",
    }


def test_json_is_read_back_as_it_was() -> None:
    text = report(*PROVEN, FAILURE, not_run=("box3: no route",))
    assert from_json(as_json(text, ["cloud"])) == (text, ["cloud"])


def test_junit_has_a_testcase_for_each_result() -> None:
    text = as_junit(report(*PROVEN, FAILURE, not_run=("box3: no route",)), ["cloud"])
    suite = ElementTree.fromstring(text)[0]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors")}
    assert counts == {"tests": "6", "failures": "1", "errors": "1"}
    cases = {(case.get("classname"), case.get("name")) for case in suite.iter("testcase")}
    assert ("box1.gpt", "chat on cloud") in cases and ("box1.gateway", "health") in cases
    (failure,) = suite.iter("failure")
    assert failure.get("message") == FAILURE.detail
