"""The report's part on requests: charts, tables with bars, trends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmrack.observe.figures import change, count, money, seconds, share, short
from llmrack.observe.report.charts import Axis, Buckets, Chart, Series, line, stacked
from llmrack.observe.requests.usage import Bucket, Group, Spread, Usage

# Most groups that have a line; `llmrack usage` shows them all.
MOST = 20


def over_time(usage: Usage) -> tuple[Chart, ...]:
    """Requests, tokens, time to answer and cost over the period."""
    buckets = usage.series
    period = Buckets([bucket.start for bucket in buckets], usage.until)
    requests = (
        Series(
            "answered", tuple(float(bucket.calls - bucket.errors) for bucket in buckets), "main"
        ),
        Series("failed", tuple(float(bucket.errors) for bucket in buckets), "failed"),
    )
    tokens = (
        Series("output", tuple(float(bucket.output_tokens) for bucket in buckets), "main"),
        Series("input", tuple(float(bucket.input_tokens) for bucket in buckets), "second"),
    )
    p95 = Series("Time to answer, p95", tuple(bucket.p95 for bucket in buckets), "main")
    cost = Series("Cost", tuple(bucket.cost for bucket in buckets), "main")
    return (
        stacked("requests", "Requests", period, requests, Axis(_whole, 1)),
        line("p95", "Time to answer, p95", period, p95, Axis(_time)),
        stacked("tokens", "Tokens", period, tokens, Axis(short, 1)),
        stacked("cost", "Cost, USD", period, (cost,), Axis(money)),
    )


def _whole(value: float) -> str:
    return count(value) if value < 10_000 else short(value)


def _time(value: float) -> str:
    if not value:
        return "0"
    return f"{value:.3g} s" if 1 <= value < 100 else seconds(value)


def table_over_time(usage: Usage) -> tuple[Bucket, ...]:
    """The buckets with requests: the charts' numbers."""
    return tuple(bucket for bucket in usage.series if bucket.calls)


@dataclass(frozen=True)
class Line:
    """A group, and the lengths of its bars in percent of the longest.

    + failures: the classes of errors, with their numbers
    + marks: the places of p50, p95 and p99; None without an answer
    """

    group: Group
    calls: float
    errors: float
    tokens: float
    cost: float
    failures: list[str]
    marks: tuple[float, float, float] | None


@dataclass(frozen=True)
class Lines:
    """Groups, those with the most calls first.

    + left_out: how many have no line
    """

    lines: tuple[Line, ...]
    left_out: int


def by_group(usage: Usage) -> Lines:
    """The groups of a usage, to be drawn as a table with bars."""
    groups = sorted(usage.groups, key=lambda group: (-group.calls, group.name))
    longest = max((group.latency.p99 for group in groups if group.latency), default=0.0)
    most = {
        "calls": max((group.calls for group in groups), default=0),
        "errors": max((errors(group) for group in groups), default=0),
        "tokens": max((_tokens(group) for group in groups), default=0),
        "cost": max((group.cost for group in groups), default=0.0),
    }
    lines = [
        Line(
            group,
            _percent(group.calls, most["calls"]),
            _percent(errors(group), most["errors"]),
            _percent(_tokens(group), most["tokens"]),
            _percent(group.cost, most["cost"]),
            [f"{number} {name}" for name, number in _often_first(group.errors)],
            _marks(group.latency, longest),
        )
        for group in groups[:MOST]
    ]
    return Lines(tuple(lines), len(groups) - len(lines))


def errors(group: Group) -> int:
    """How many of its requests failed, of whatever class."""
    return sum(group.errors.values())


def _tokens(group: Group) -> int:
    return group.input_tokens + group.output_tokens


def _often_first(numbers: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _marks(latency: Spread | None, longest: float) -> tuple[float, float, float] | None:
    if latency is None:
        return None
    p50, p95, p99 = (_percent(value, longest) for value in (latency.p50, latency.p95, latency.p99))
    return p50, p95, p99


@dataclass(frozen=True)
class Trend:
    """A figure of this period beside that of the one before it, and the change in words."""

    name: str
    now: str
    before: str
    change: str


def trends(now: Usage, before: Usage) -> tuple[Trend, ...]:
    """The figures of two periods beside each other."""
    totals = current, former = now.total, before.total
    first, then = (total.first_token.p95 if total.first_token else None for total in totals)
    slow, was = (total.latency.p95 if total.latency else None for total in totals)
    rate, past = _rate(current), _rate(former)
    failed, had = errors(current), errors(former)
    return (
        _trend("Requests", current.calls, former.calls, count),
        _trend("Errors", failed, had, count),
        Trend("Errors by requests", share(failed, current.calls), share(had, former.calls),
              change(rate, past)),
        _trend("Fallbacks", current.fallbacks, former.fallbacks, count),
        Trend("Time to answer, p95", seconds(slow), seconds(was), change(slow, was)),
        Trend("First token, p95", seconds(first), seconds(then), change(first, then)),
        _trend("Tokens", _tokens(current), _tokens(former), short),
        _trend("Cost", current.cost, former.cost, money),
    )  # fmt: skip


def _rate(group: Group) -> float | None:
    return errors(group) / group.calls if group.calls else None


def _trend(name: str, now: float, before: float, text: Callable[[float], str]) -> Trend:
    return Trend(name, text(now), text(before), change(now, before))
