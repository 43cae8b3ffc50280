"""Charts over time as geometry in percent, for a template that draws them at any width."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Up to this period the labels of time are hours, beyond it days.
_HOURS = timedelta(hours=48)
_LABELS = 4


@dataclass(frozen=True)
class Series:
    """One quantity, with a value or None for each bucket.

    + style: its CSS class
    """

    name: str
    values: tuple[float | None, ...]
    style: str


@dataclass(frozen=True)
class Buckets:
    """Equal parts of a period.

    + starts: their beginnings; the last one ends at ``until``
    """

    starts: Sequence[datetime]
    until: datetime


@dataclass(frozen=True)
class Axis:
    """The axis of the values.

    + text: writes a value
    + least: the smallest step: 1 for whole numbers
    """

    text: Callable[[float], str]
    least: float = 0


@dataclass(frozen=True)
class Bar:
    """A rectangle; all in percent of the plot, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    style: str


@dataclass(frozen=True)
class Label:
    """A text beside the plot, at a share of its width or height, in percent."""

    text: str
    at: float


@dataclass(frozen=True)
class Chart:
    """A chart over time.

    + key: its name among the page's ids
    + description: the same in a sentence, for those who cannot see it
    + bars: stacked bars; empty where lines are drawn
    + points: runs of neighbours (x, y), to be joined by a line; a gap has no value
    + ticks, times: the labels of the axes
    + legend: the series, where there is more than one
    """

    key: str
    title: str
    description: str
    bars: tuple[Bar, ...]
    points: tuple[tuple[tuple[float, float], ...], ...]
    ticks: tuple[Label, ...]
    times: tuple[Label, ...]
    legend: tuple[Series, ...]


def stacked(key: str, title: str, buckets: Buckets, series: Sequence[Series], axis: Axis) -> Chart:
    """A bar for each bucket, the series on top of each other."""
    count = len(buckets.starts)
    sums = [sum(quantity.values[at] or 0 for quantity in series) for at in range(count)]
    top, ticks = _scale(max(sums, default=0), axis)
    slot = 100 / max(count, 1)
    bars = []
    for at in range(count):
        height = 0.0
        for quantity in series:
            share = 100 * (quantity.values[at] or 0) / top
            if share:
                y = 100 - height - share
                bars.append(Bar(at * slot + slot * 0.1, y, slot * 0.8, share, quantity.style))
            height += share
    sentence = _said(" and ".join(quantity.name for quantity in series), buckets, sums, axis)
    legend = tuple(series) if len(series) > 1 else ()
    return Chart(key, title, sentence, tuple(bars), (), ticks, _times(buckets), legend)


def line(key: str, title: str, buckets: Buckets, series: Series, axis: Axis) -> Chart:
    """A point in the middle of each bucket; those without a value leave a gap."""
    known = [value for value in series.values if value is not None]
    top, ticks = _scale(max(known, default=0), axis)
    slot = 100 / max(len(buckets.starts), 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in enumerate(series.values):
        if value is not None:
            runs[-1].append(((at + 0.5) * slot, 100 - 100 * value / top))
        elif runs[-1]:
            runs.append([])
    points = tuple(tuple(run) for run in runs if run)
    sentence = _said(series.name, buckets, series.values, axis)
    return Chart(key, title, sentence, (), points, ticks, _times(buckets), ())


def _scale(highest: float, axis: Axis) -> tuple[float, tuple[Label, ...]]:
    """The value at the plot's top, and round values on the way there."""
    if highest <= 0:
        return 1.0, (Label(axis.text(0), 100.0),)
    power = 10.0 ** math.floor(math.log10(highest))
    # Five steps of 0.2, 0.5, 1 or 2 times a power of ten reach above the highest value.
    step = next(factor * power for factor in (0.2, 0.5, 1, 2) if 5 * factor * power >= highest)
    step = max(step, axis.least)
    count = math.ceil(highest / step)
    labels = [Label(axis.text(step * at), 100 - 100 * at / count) for at in range(count, -1, -1)]
    return step * count, tuple(labels)


def _times(buckets: Buckets) -> tuple[Label, ...]:
    """Labels at even distances, the first at the beginning and the last at the end."""
    starts, until = buckets.starts, buckets.until
    if not starts:
        return ()
    whole = until - starts[0]
    form = "%H:%M" if whole <= _HOURS else "%b %-d"
    return tuple(
        Label(f"{starts[0] + whole * number / _LABELS:{form}}", 100 * number / _LABELS)
        for number in range(_LABELS + 1)
    )


def _said(name: str, buckets: Buckets, values: Sequence[float | None], axis: Axis) -> str:
    starts, until, text = buckets.starts, buckets.until, axis.text
    known = [(value, start) for value, start in zip(values, starts, strict=True) if value]
    if not known:
        return f"{name}: none in this period."
    highest, at = max(known, key=lambda pair: pair[0])
    lowest, low_at = min(known, key=lambda pair: pair[0])
    return (
        f"{name}, from {starts[0]:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC: "
        f"at most {text(highest)} (from {at:%b %-d, %H:%M}), "
        f"at least {text(lowest)} (from {low_at:%b %-d, %H:%M}) where there was any."
    )
