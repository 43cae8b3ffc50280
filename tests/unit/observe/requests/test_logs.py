"""What went wrong: grouped on hosts, and of all hosts together."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from llmrack.observe.broken_units import BrokenUnit
from llmrack.observe.providers.gateway_health import GatewayHealth, Rest
from llmrack.observe.requests import logs, logs_print
from llmrack.observe.requests.logs import Failure, Fired, Logs, ask_logs
from llmrack.observe.requests.usage import stamp
from llmrack.shipped.host import logs as host_logs
from tests.unit.request_lines import FAILED, NOW, line, on_hosts, run_apart, unanswered, write

HOUR = timedelta(hours=1)


def event(ago: float, kind: str, instance: str = "box2", **fields: object) -> dict:
    fields = fields or ({"seconds": 12.34} if kind == "back" else {"why": "it answers 500"})
    time = stamp(NOW - timedelta(seconds=ago))
    return {"time": time, "event": kind, "instance": instance, "model": "", **fields}


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What went wrong in the hour before NOW at gateways; ``resting``: what does so now."""

    def ask(events=(), resting=(), unknown="", units=(), units_unknown=(), **lines) -> Logs:
        folders = {
            name: None if log is None else write(tmp_path / name, *log)
            for name, log in lines.items()
        }
        for folder in folders.values():
            if folder:
                write(folder, *events, name="events")
        rests = {name: (Rest("", 9, "it answers 500"),) for name in resting}
        health = [GatewayHealth(name, rests, unknown) for name in folders]
        monkeypatch.setattr(logs, "ask_log", on_hosts(folders))
        monkeypatch.setattr(logs, "gateway_health", lambda gateways: health)
        monkeypatch.setattr(logs, "now", lambda: NOW)
        monkeypatch.setattr(logs, "broken_units", lambda gateways: (units, dict(units_unknown)))
        return ask_logs(None, HOUR)

    return ask


def test_errors_are_grouped_by_class_and_instance(asked):
    answer = asked(
        gw1=[line(30, attempts=[FAILED]), unanswered(20, "timeout", attempts=[FAILED])],
        gw2=[unanswered(10, "timeout", attempts=[FAILED]), unanswered(5, "refused", 401)],
    )
    assert answer.errors == (
        Failure("timeout", "box2", 0, 2, "2026-11-21T11:59:50.000Z"),
        Failure("refused", None, 0, 1, "2026-11-21T11:59:55.000Z"),
        Failure("connection", "box2", 3, 0, "2026-11-21T11:59:50.000Z"),
    )


def test_an_answer_that_broke_off_is_its_instances(asked):
    answer = asked(gw=[line(9, error="broken off")])
    assert [(entry.error, entry.instance) for entry in answer.errors] == [("broken off", "box1")]


def test_chains_that_fired_are_counted_by_their_reason(asked):
    fell = line(9, position=1, served="other", attempts=[FAILED])
    answer = asked(gw1=[fell, line(8)], gw2=[fell, line(7, position=2, served="last")])
    assert answer.chains == (
        Fired("llama", "other", "connection", 2),
        Fired("llama", "last", None, 1),
    )


def test_the_ten_slowest_of_all_gateways_are_named(asked):
    answer = asked(
        gw1=[line(9, duration=float(number)) for number in range(20)],
        gw2=[line(9, duration=15.5)],
    )
    assert [entry["duration"] for entry in answer.slowest[:6]] == [19, 18, 17, 16, 15.5, 15]
    assert len(answer.slowest) == 10
    assert answer.slowest[4]["gateway"] == "gw2"


def test_an_instance_that_came_back_did_so_after_a_time(asked):
    (rest,) = asked([event(100, "aside"), event(80, "back")], gw=[]).aside
    assert (rest.gateway, rest.instance, rest.why) == ("gw", "box2", "it answers 500")
    assert (rest.seconds, rest.now) == (12.34, "")


def test_a_rest_that_began_before_the_hour_and_lasts_is_named(asked):
    (rest,) = asked([event(9000, "aside")], resting=["box2"], gw=[]).aside
    assert (rest.seconds, rest.now) == (None, "still resting")


def test_a_rest_that_was_over_before_the_hour_is_not_named(asked):
    assert asked([event(9000, "aside"), event(8000, "back")], gw=[]).aside == ()


def test_a_gateway_that_was_restarted_no_longer_lets_an_instance_rest(asked):
    (rest,) = asked([event(90, "aside")], gw=[]).aside
    assert rest.now == "asked again since the gateway was restarted"


def test_a_gateway_that_does_not_run_leaves_a_return_open(asked):
    (rest,) = asked([event(90, "aside")], unknown="its gateway does not run", gw=[]).aside
    assert rest.now == "no return is noted, and its gateway does not run"


def test_a_model_rests_apart_from_its_instance(asked):
    events = [
        event(90, "aside", model="qwen", why="not found"),
        event(80, "aside"),
        event(70, "back"),
    ]
    model, instance = asked(events, gw=[]).aside
    assert (model.model, model.seconds, instance.seconds) == ("qwen", None, 12.34)


def test_damaged_lines_are_counted(asked):
    odd = line(9, attempts=["x"]), {"time": 3}
    assert asked([{"time": stamp(NOW)[:-2], "event": "aside"}], gw=odd).damaged == 3


def test_the_program_runs_on_a_host_that_has_nothing_of_ours(tmp_path):
    folder = write(tmp_path / "gw", line(9))
    asked = {"since": stamp(NOW - HOUR), "until": stamp(NOW)}
    parsed = run_apart(host_logs, folder=str(folder), **asked)
    assert json.loads(parsed)["calls"] == 1


def test_nothing_went_wrong_is_said(asked):
    text = logs_print.as_text(asked(gw=[line(9)]))
    assert "requests from 2026-11-21 11:00 to 2026-11-21 12:00 UTC: 1\nnothing went wrong\n" in text


def test_it_is_not_said_where_a_gateway_was_not_asked(asked):
    answer = asked(gw1=[line(9)], gw2=None)
    text = logs_print.as_text(answer)
    assert "nothing" not in text
    assert text.endswith("gw2 could not be asked: no connection: nobody there\n")
    assert logs_print.exit_code(answer) == 2


def test_everything_fits_eighty_columns(asked):
    answer = asked(
        [event(100, "aside"), event(80, "back"), event(70, "aside")],
        resting=["box2"],
        gw=[
            line(9, model="a/model:with-a-name-\x1b[31m-that-is-longer-than-a-column", position=1),
            unanswered(8, "timeout", attempts=[FAILED], duration=125.0),
        ],
    )
    text = logs_print.as_text(answer)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    for expected in ("11-21 11:58:20  box2, by gw: it answers 500", "back after 12.3 s", "still"):
        assert expected in text


def test_json_has_everything(asked):
    parsed = json.loads(logs_print.as_json(asked([event(9, "aside")], gw=[line(9)])))
    assert (parsed["exit_code"], parsed["calls"], parsed["until"]) == (
        0,
        1,
        "2026-11-21T12:00:00.000Z",
    )
    assert parsed["aside"][0]["instance"] == "box2"


BROKEN = BrokenUnit(
    "box2",
    "llmrack-ollama@main.service",
    "auto-restart (exit-code)",
    7,
    ("2026-11-21T11:59:50+0000 box2 ollama[9]: bind: address already in use",),
)


def test_a_unit_that_cannot_start_is_told_with_its_journal(asked):
    text = logs_print.as_text(asked(gw=[line(9)], units=[BROKEN]))
    assert "nothing went wrong" not in text
    assert (
        "units that cannot start; llmrack status may say why\n"
        "  box2 llmrack-ollama@main.service: auto-restart (exit-code), restarted 7 times\n"
        "    2026-11-21T11:59:50+0000 box2 ollama[9]: bind: address already in use\n"
    ) in text


def test_a_host_whose_units_are_not_known_is_named(asked):
    answer = asked(gw=[line(9)], units_unknown={"box3": "no connection", "gw": "late"})
    text = logs_print.as_text(answer)
    assert "nothing went wrong" not in text
    assert "box3 could not be asked for its units: no connection" in text
    assert logs_print.exit_code(answer) == 0
