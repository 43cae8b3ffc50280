"""What the report's page says of the requests: charts, tables with bars, trends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmrack.observe.figures import change, count, money, seconds, share, short
from llmrack.observe.report.charts import Axis, Buckets, Chart, Series, line, stacked
from llmrack.observe.requests.usage import Bucket, Group, Spread, Usage

# As many groups have a line of their own; `llmrack usage` has them all.
MOST = 20


def over_time(usage: Usage) -> tuple[Chart, ...]:
    """Requests, tokens, time to answer and cost over the period."""
    buckets = usage.series
    period = Buckets([bucket.start for bucket in buckets], usage.until)
    requests = (
        Series("answered", tuple(float(each.calls - each.errors) for each in buckets), "main"),
        Series("failed", tuple(float(each.errors) for each in buckets), "failed"),
    )
    tokens = (
        Series("output", tuple(float(each.output_tokens) for each in buckets), "main"),
        Series("input", tuple(float(each.input_tokens) for each in buckets), "second"),
    )
    p95 = Series("Time to answer, p95", tuple(each.p95 for each in buckets), "main")
    cost = Series("Cost", tuple(each.cost for each in buckets), "main")
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
    """The buckets in which something was asked: the charts' numbers."""
    return tuple(each for each in usage.series if each.calls)


@dataclass(frozen=True)
class Line:
    """A group, with how long its bars are, in percent of the longest.

    + failures: the classes of errors, with their numbers
    + marks: where p50, p95 and p99 stand; None without an answer
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
    return sorted(numbers.items(), key=lambda each: (-each[1], each[0]))


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _marks(latency: Spread | None, longest: float) -> tuple[float, float, float] | None:
    if latency is None:
        return None
    p50, p95, p99 = (_percent(each, longest) for each in (latency.p50, latency.p95, latency.p99))
    return p50, p95, p99


@dataclass(frozen=True)
class Trend:
    """A figure of this period beside that of the one before it, and the change in words."""

    name: str
    now: str
    before: str
    change: str


def trends(now: Usage, before: Usage) -> tuple[Trend, ...]:
    """What became more, and what less."""
    one, other = now.total, before.total
    first, then = (each.first_token.p95 if each.first_token else None for each in (one, other))
    slow, was = (each.latency.p95 if each.latency else None for each in (one, other))
    rate, past = _rate(one), _rate(other)
    failed, had = errors(one), errors(other)
    return (
        _trend("Requests", one.calls, other.calls, count),
        _trend("Errors", failed, had, count),
        Trend("Errors by requests", share(failed, one.calls), share(had, other.calls),
              change(rate, past)),
        _trend("Fallbacks", one.fallbacks, other.fallbacks, count),
        Trend("Time to answer, p95", seconds(slow), seconds(was), change(slow, was)),
        Trend("First token, p95", seconds(first), seconds(then), change(first, then)),
        _trend("Tokens", _tokens(one), _tokens(other), short),
        _trend("Cost", one.cost, other.cost, money),
    )  # fmt: skip


def _rate(group: Group) -> float | None:
    return errors(group) / group.calls if group.calls else None


def _trend(name: str, now: float, before: float, text: Callable[[float], str]) -> Trend:
    return Trend(name, text(now), text(before), change(now, before))
