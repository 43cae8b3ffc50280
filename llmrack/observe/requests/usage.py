"""Asks all gateways for the sums of their requests: numbers, errors, times, tokens, cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from llmrack.shipped.host import usage as host_usage
from llmrack.shipped.host.sketch import percentile
from llmrack.shipped.host.usage import Sums, from_plain
from llmrack.verify.results import one_line

K = TypeVar("K")
# Runs a program of shipped/host where each gateway's log is. It returns what the program prints, by
# the gateway's name, and why others could not be asked.
AskLog = Callable[..., tuple[dict[str, Any], dict[str, str]]]
BY = ("model", "provider", "instance", "place", "key", "day")
SERIES = 60
# Characters of a name that are shown; clients make up names of models.
LONGEST = 60
# Shown for a missing name of a model or a key; NOBODY if no instance answered.
NAMELESS = {"model": "(no model)", "key": "(unknown client)"}
NOBODY = "(no answer)"
# Shown for all names beyond those that a host tells apart.
REST = "(others)"


@dataclass(frozen=True)
class Spread:
    """Percentiles, in seconds, at most 1 % from the true values."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Group:
    """The requests of one name, or all of them.

    + errors: numbers of failed requests, by class
    + fallbacks: the number of requests that a later model of a chain or tier answered
    + failed_attempts: the number of failed attempts, also if another instance answered then
    + cost: USD
    + latency, first_token: of the answered requests; None without any
    + tokens_per_second: output tokens by their time; None if it is not known
    """

    name: str
    calls: int
    errors: dict[str, int]
    fallbacks: int
    failed_attempts: int
    input_tokens: int
    output_tokens: int
    cost: float
    latency: Spread | None
    first_token: Spread | None
    tokens_per_second: float | None


@dataclass(frozen=True)
class Bucket:
    """The requests that ended in one part of the time.

    + p95: of their latency, in seconds
    """

    start: datetime
    calls: int
    errors: int
    fallbacks: int
    input_tokens: int
    output_tokens: int
    cost: float
    p95: float | None


@dataclass(frozen=True)
class Usage:
    """The sums of all gateways.

    + since, until: UTC; ``until`` itself is excluded
    + groups: most calls first; days in their order
    + series: equal parts of the time, in their order
    + damaged: lines of the logs that cannot be read
    + unreached: why gateways, by host, could not be asked
    """

    since: datetime
    until: datetime
    by: str
    groups: tuple[Group, ...]
    total: Group
    series: tuple[Bucket, ...]
    damaged: int
    unreached: dict[str, str]


def ask_usage(ask_log: AskLog, last: timedelta, by: str) -> Usage:
    """Ask all gateways for the requests that ended in the ``last`` hours or days.

    + by: one of BY: model (as asked for), provider, instance, place (house or outside), key, day
      (UTC)
    """
    return ask_usages(ask_log, last, (by,))[by]


def ask_usages(
    ask_log: AskLog, last: timedelta, bys: Sequence[str], until: datetime | None = None
) -> dict[str, Usage]:
    """As ``ask_usage``, for several groupings, in one pass over the logs.

    + until: the end of that time (default: now)
    """
    end = until or now()
    seconds = max(1, int(last.total_seconds()))
    since = end - timedelta(seconds=seconds)
    by_host, unreached = ask_log(
        host_usage,
        since=stamp(since),
        until=stamp(end),
        parts=min(SERIES, seconds),
        bys=list(bys),
    )
    counted = list(by_host.values())
    damaged = sum(gateway["damaged"] for gateway in counted)
    series = _merged(part for gateway in counted for part in enumerate(gateway["series"]))
    width = timedelta(seconds=seconds) / min(SERIES, seconds)
    buckets = tuple(
        _bucket(since + index * width, series.get(index, Sums()))
        for index in range(min(SERIES, seconds))
    )
    total = Sums()
    for gateway in counted:
        for _, sums in gateway["groups"][bys[0]]:
            total.merge(from_plain(sums))
    usages = {}
    for by in bys:
        rows = _merged(
            (_name(by, name), sums) for gateway in counted for name, sums in gateway["groups"][by]
        )
        groups = [_group(name, sums) for name, sums in rows.items()]
        groups.sort(key=lambda group: group.name)
        if by != "day":
            groups.sort(key=lambda group: -group.calls)
        usages[by] = Usage(
            since,
            end,
            by,
            tuple(groups),
            _group("total", total),
            buckets,
            damaged,
            unreached,
        )
    return usages


def now() -> datetime:
    """The next whole second in UTC, so that no second belongs to two parts of a period."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)


def stamp(moment: datetime) -> str:
    """A time in the form of the log."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _name(by: str, name: str | None) -> str:
    if name is None:
        return NAMELESS.get(by, NOBODY)
    return one_line(name, LONGEST) if name else REST


def _merged(parts: Iterable[tuple[K, Mapping[str, Any]]]) -> dict[K, Sums]:
    merged: dict[K, Sums] = {}
    for key, plain in parts:
        merged.setdefault(key, Sums()).merge(from_plain(plain))
    return merged


def _group(name: str, sums: Sums) -> Group:
    return Group(
        name,
        sums.calls,
        dict(sorted(sums.errors.items(), key=lambda pair: -pair[1])),
        sums.fallbacks,
        sums.failed,
        sums.input_tokens,
        sums.output_tokens,
        sums.cost,
        _spread(sums.latency),
        _spread(sums.first_token),
        sums.timed_tokens / sums.timed_seconds if sums.timed_seconds else None,
    )


def _bucket(start: datetime, sums: Sums) -> Bucket:
    return Bucket(
        start,
        sums.calls,
        sum(sums.errors.values()),
        sums.fallbacks,
        sums.input_tokens,
        sums.output_tokens,
        sums.cost,
        percentile(sums.latency, 0.95),
    )


def _spread(counts: Mapping[int, int]) -> Spread | None:
    p50, p95, p99 = (percentile(counts, share) for share in (0.5, 0.95, 0.99))
    if p50 is None or p95 is None or p99 is None:
        return None
    return Spread(p50, p95, p99)
