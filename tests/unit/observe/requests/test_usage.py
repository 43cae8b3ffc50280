"""Usage: what requests add up to, on hosts and of all hosts together."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil

import pytest

from llmrack.observe.requests import usage, usage_print
from llmrack.observe.requests.usage import Usage, ask_usage, ask_usages, stamp
from llmrack.shipped.host import lines as host_lines
from llmrack.shipped.host import sketch
from llmrack.shipped.host import usage as host_usage
from llmrack.shipped.host.usage import NAMES, count
from tests.unit.request_lines import FAILED, NOW, line, on_hosts, run_apart, unanswered, write

HOUR = timedelta(hours=1)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Usage of the last hour before NOW, of the lines of gateways."""

    def ask(by="model", last=HOUR, **lines) -> Usage:
        folders = {
            name: None if log is None else write(tmp_path / name, *log)
            for name, log in lines.items()
        }
        monkeypatch.setattr(usage, "now", lambda: NOW)
        return ask_usage(partial(on_hosts(folders), None), last, by)

    return ask


def test_a_group_adds_up_what_its_requests_were(asked):
    answer = asked(
        gw=[
            line(50),
            line(40, position=1, served="other", attempts=[FAILED, FAILED]),
            unanswered(30, "timeout", attempts=[FAILED]),
            unanswered(20, "timeout"),
            unanswered(10, "key"),
            line(5, model="coder"),
        ]
    )
    llama, coder = answer.groups
    assert (llama.name, llama.calls, llama.fallbacks, llama.failed_attempts) == ("llama", 5, 1, 3)
    assert llama.errors == {"timeout": 2, "key": 1}
    assert (llama.input_tokens, llama.output_tokens, llama.cost) == (50, 40, 1.0)
    assert (coder.name, coder.calls, answer.total.calls) == ("coder", 1, 6)


def test_the_programs_run_on_a_host_that_has_nothing_of_ours(tmp_path):
    folder = write(tmp_path / "gw", line(9))
    asked = {"since": stamp(NOW - HOUR), "until": stamp(NOW), "parts": 60, "bys": ["model"]}
    text = run_apart(host_usage, folder=str(folder), **asked)
    ((name, sums),) = json.loads(text)["groups"]["model"]
    assert (name, sums["calls"]) == ("llama", 1)


def test_gateways_are_counted_together(asked):
    answer = asked(gw1=[line(9), line(8, duration=3.0)], gw2=[line(7, duration=3.0)])
    (group,) = answer.groups
    assert (group.calls, answer.total.calls, answer.series[-1].calls) == (3, 3, 3)
    assert group.latency.p50 == pytest.approx(3.0, rel=0.01)


def test_what_is_older_or_younger_is_not_counted(asked):
    answer = asked(gw=[line(3600.001), line(3600), line(0.001), line(0)])
    assert answer.total.calls == 2


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("model", ["(no model)", "llama"]),
        ("provider", ["(no answer)", "local"]),
        ("instance", ["(no answer)", "box1"]),
        ("key", ["(unknown client)", "demo"]),
        ("day", ["2026-11-21"]),
    ],
)
def test_groups_are_named_also_where_there_is_no_name(asked, by, names):
    answer = asked(by, gw=[line(9), unanswered(9, "refused", 401, key=None, model=None)])
    assert [group.name for group in answer.groups] == names


def test_days_come_in_their_order(asked):
    answer = asked("day", timedelta(days=3), gw=[line(90000), line(9), line(8)])
    assert [group.name for group in answer.groups] == ["2026-11-20", "2026-11-21"]


def test_several_groupings_need_one_pass(tmp_path):
    folder = write(tmp_path / "gw", line(9), line(8, key="eve"))
    answer = ask_usages(partial(on_hosts({"gw": folder}), None), HOUR, ("model", "key"), NOW)
    assert [group.name for group in answer["key"].groups] == ["demo", "eve"]
    assert [group.calls for group in answer["model"].groups] == [2]
    assert answer["key"].total == answer["model"].total


def test_the_times_of_failures_are_not_those_of_answers(asked):
    answer = asked(gw=[line(9, duration=1.0), unanswered(8, "timeout", duration=60.0)])
    assert answer.total.latency.p99 == pytest.approx(1.0, rel=0.01)


def test_percentiles_are_within_one_percent(asked):
    random.seed(6)
    times = sorted(random.lognormvariate(0, 1.5) for _ in range(5000))
    answer = asked(gw=[line(9, duration=entry, first_token=entry / 9) for entry in times]).total
    for share, value, first in (
        (0.5, answer.latency.p50, answer.first_token.p50),
        (0.95, answer.latency.p95, answer.first_token.p95),
        (0.99, answer.latency.p99, answer.first_token.p99),
    ):
        true = times[ceil(share * len(times)) - 1]
        assert value == pytest.approx(true, rel=0.0101)
        assert first == pytest.approx(true / 9, rel=0.0101)


def test_a_time_of_nothing_is_counted():
    assert sketch.percentile({sketch.step(0.0): 1}, 0.5) == pytest.approx(0, abs=1e-5)


def test_tokens_per_second_weigh_long_answers_more(asked):
    answer = asked(
        gw=[
            line(9, output_tokens=10, tokens_per_second=10.0),
            line(8, output_tokens=90, tokens_per_second=90.0),
            line(7, output_tokens=50, tokens_per_second=None),
        ]
    )
    assert answer.total.tokens_per_second == pytest.approx(50.0)


def test_the_series_has_sixty_parts_of_one_length(asked):
    answer = asked(gw=[line(3600), line(3541), line(3540), unanswered(1, "server")])
    assert [answer.series[0].calls, answer.series[1].calls, answer.series[-1].errors] == [2, 1, 1]
    assert len(answer.series) == 60
    assert answer.series[1].start - answer.since == timedelta(minutes=1)


def test_parts_of_the_time_are_no_shorter_than_seconds(asked):
    assert len(asked(last=timedelta(seconds=5), gw=[line(1)]).series) == 5


def test_damaged_lines_are_counted_and_passed_over(asked, tmp_path):
    folder = write(tmp_path / "whole", line(9))
    good = (folder / "requests.jsonl").read_bytes()
    cut, foreign = good[: len(good) // 2] + b"\n", b'["a"]\n{"time": 3}\n\xff\xfe\n\n'
    odd = json.dumps(line(9, model=["a"])).encode() + b"\n"
    (folder / "requests.jsonl").write_bytes(cut + good + foreign + odd + good)
    answer = count(str(folder), stamp(NOW - HOUR), stamp(NOW), 60, ["model"])
    assert answer["damaged"] == 6
    assert sum(part["calls"] for part in answer["series"]) == 2


def test_lines_of_older_releases_are_counted(asked):
    old = {"key": "demo", "model": "llama", "input_tokens": 1, "output_tokens": 2, "duration": 0.5}
    time = line(9)["time"]
    answer = asked(gw=[{"time": time, **old, "status": 200}, {"time": time, **old, "status": 500}])
    assert (answer.total.calls, answer.total.errors) == (2, {"other": 1})


def test_names_that_clients_make_up_do_not_fill_the_memory(asked):
    answer = asked(gw=[line(9, model=f"m{number}") for number in range(NAMES + 50)])
    assert len(answer.groups) == NAMES + 1
    assert (answer.groups[0].name, answer.groups[0].calls) == ("(others)", 50)


def test_rotated_files_are_read_and_those_too_old_are_not_opened(asked, tmp_path):
    folder = write(tmp_path / "gw", line(5))
    write(folder, line(1800), name="requests-20261121T113500.000Z")
    old = folder / "requests-20261121T105959.999Z.jsonl"
    old.mkdir()  # Opening it fails.
    assert asked(gw=[line(5)]).total.calls == 2


def test_a_file_rotated_meanwhile_is_read_once(monkeypatch, tmp_path):
    folder = write(tmp_path / "gw", line(5))
    opened = host_lines.opened

    def rotates(path):
        file = opened(path)
        if path.name == "requests.jsonl":
            path.rename(folder / "requests-20261121T120000.000Z.jsonl")
        return file

    monkeypatch.setattr(host_lines, "opened", rotates)
    hour = stamp(NOW - HOUR)
    texts = [text for file in host_lines.logs(str(folder), "requests", hour) for text in file]
    assert len(texts) == 1


def test_a_long_file_is_entered_near_the_moment(tmp_path):
    folder = write(tmp_path / "gw", *(line(ago) for ago in range(20000, 0, -1)))
    with (folder / "requests.jsonl").open("rb") as file:
        begin = host_lines.beginning(file, stamp(NOW - timedelta(seconds=500)))
        size = file.seek(0, 2)
        assert size * 0.95 < begin < size * (1 - 560 / 20000)
        file.seek(begin - 1)
        assert file.read(1) == b"\n"


def test_nothing_was_noted_where_there_is_no_log(tmp_path):
    answer = count(str(tmp_path / "none"), stamp(NOW - HOUR), stamp(NOW), 60, ["model"])
    assert (answer["groups"], answer["damaged"]) == ({"model": []}, 0)


def test_the_end_is_now_unless_another_is_given():
    answer = ask_usage(partial(on_hosts({}), None), HOUR, "model")
    assert timedelta() < answer.until - datetime.now(UTC) <= timedelta(seconds=1)
    assert answer.until - answer.since == HOUR


@pytest.fixture
def some(asked):
    return asked(
        gw1=[
            line(1800, duration=0.5, input_tokens=1_234_567),
            line(50, model="a/model:with-a-name-that-is-longer-than-a-column", position=1),
            unanswered(9, "timeout", model="=2+<b>\x1b[31m", attempts=[FAILED]),
        ],
        gw2=None,
    )


def test_the_tables_fit_eighty_columns(some):
    text = usage_print.as_text(some)
    assert max(map(len, text.splitlines())) <= 80
    assert "1.23 M" in text


def test_the_text_says_what_errors_there_were_and_who_was_not_asked(some):
    text = usage_print.as_text(some)
    assert "errors of =2+<b>?[31m: 1 timeout\n" in text
    assert text.endswith("gw2 could not be asked: no connection: nobody there\n")


def test_no_requests_are_said_to_be_none(asked):
    assert (
        usage_print.as_text(asked(gw=[]))
        == "no requests from 2026-11-21 11:00 to 2026-11-21 12:00 UTC\n"
    )


def test_damaged_lines_are_said(asked):
    text = usage_print.as_text(asked(gw=[line(9), {"time": 3}]))
    assert "not counted, since they cannot be read: 1 lines of the logs\n" in text


def test_plots_fit_eighty_columns_without_colour(some):
    text = usage_print.plots(some)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text and "calls" in text and "11:24" in text


def test_json_has_everything(some):
    text = json.loads(usage_print.as_json(some))
    assert (text["exit_code"], text["until"]) == (2, "2026-11-21T12:00:00.000Z")
    assert text["total"]["latency"]["p50"] > 0 and len(text["series"]) == 60


def test_csv_has_a_line_a_group_and_no_formula(some):
    head, *lines = usage_print.as_csv(some).splitlines()
    assert head.startswith("model,calls,errors,fallbacks,failed_attempts,input_tokens")
    assert len(lines) == 3
    assert any(entry.startswith("'=2+<b>?[31m,1,1,0,1,") for entry in lines)


def test_html_is_one_page_that_names_cannot_break(some):
    page = usage_print.as_html(some)
    assert "<b>" not in page and "&lt;b&gt;" in page
    assert "src=" not in page and "href=" not in page


def test_a_percentile_of_few_is_the_slower_one(asked):
    answer = asked(gw=[line(9, duration=1.0), line(8, duration=1.0), line(7, duration=9.0)]).total
    assert answer.latency.p50 == pytest.approx(1.0, rel=0.01)
    assert answer.latency.p95 == pytest.approx(9.0, rel=0.01)
