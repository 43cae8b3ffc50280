"""Charts of the page: drawn to scale, told in words, whole without data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from llmrack.observe import figures
from llmrack.observe.report.charts import Axis, Buckets, Series, line, stacked

STARTS = [datetime(2026, 11, 21, hour, tzinfo=UTC) for hour in range(4)]
UNTIL = datetime(2026, 11, 21, 4, tzinfo=UTC)
BUCKETS = Buckets(STARTS, UNTIL)


def test_bars_stand_on_each_other_and_end_below_the_top():
    series = (Series("well", (3, 0, 0, 7), "main"), Series("ill", (1, 0, 2, 0), "failed"))
    chart = stacked("n", "N", BUCKETS, series, Axis(figures.count, 1))
    first, on_top, alone, last = chart.bars
    assert first.y == pytest.approx(on_top.y + on_top.height)
    assert alone.style == "failed" and alone.y + alone.height == pytest.approx(100)
    assert last.y == pytest.approx(100 - 100 * 7 / 8)
    assert [tick.text for tick in chart.ticks] == ["8", "6", "4", "2", "0"]


def test_axis_of_whole_numbers_has_no_halves():
    chart = stacked("n", "N", BUCKETS, (Series("n", (1, 0, 0, 0), ""),), Axis(figures.count, 1))
    assert [(tick.text, tick.at) for tick in chart.ticks] == [("1", 0), ("0", 100)]


def test_line_has_a_gap_where_nothing_was_asked():
    chart = line("t", "T", BUCKETS, Series("t", (1, None, 2, 2), ""), Axis(figures.seconds))
    assert [len(run) for run in chart.points] == [1, 2]


def test_chart_says_its_extremes_in_words():
    chart = line("t", "T", BUCKETS, Series("p95", (1, None, 2, 3), ""), Axis(figures.seconds))
    assert chart.description == (
        "p95, from 2026-11-21 00:00 to 2026-11-21 04:00 UTC: at most 3.00 s (from Nov 21, 03:00), "
        "at least 1.00 s (from Nov 21, 00:00) where there was any."
    )


def test_chart_of_nothing_is_drawn():
    chart = stacked("n", "N", BUCKETS, (Series("n", (0, 0, 0, 0), ""),), Axis(figures.count))
    assert chart.bars == () and chart.description == "n: none in this period."


def test_days_stand_below_a_chart_of_many():
    month = [UNTIL - timedelta(days=30) + timedelta(hours=12) * at for at in range(60)]
    series = (Series("n", (1,) * 60, ""),)
    chart = stacked("n", "N", Buckets(month, UNTIL), series, Axis(figures.count))
    assert chart.times[0].text == "Oct 22" and chart.times[-1].text == "Nov 21"
