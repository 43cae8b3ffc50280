"""How much was asked of the gateways, how it went and what it cost: counted where the logs are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from llmrack.hosts.asking import Gateways
from llmrack.hosts.connection import Unreached
from llmrack.observe.requests.on_host import ask_log
from llmrack.shipped.host import usage as host_usage
from llmrack.shipped.host.sketch import percentile
from llmrack.shipped.host.usage import Sums, from_plain
from llmrack.verify.results import one_line

K = TypeVar("K")
BY = ("model", "provider", "instance", "place", "key", "day")
SERIES = 60
# Characters of a name that are shown; clients make up names of models.
LONGEST = 60
# What stands for no name: nothing was asked for by name, nobody answered, the client is not known.
NAMELESS = {"model": "(no model)", "key": "(unknown client)"}
NOBODY = "(no answer)"
# What stands for all names beyond those that a host tells apart.
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

    + errors: how many ended with an error, by its class
    + fallbacks: how many were answered from further on in a chain or tier
    + failed_attempts: how often an instance failed, also where another one then answered
    + cost: USD
    + latency, first_token: of the requests that were answered; None where there is none
    + tokens_per_second: output tokens by the time that they took; None where it is not known
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
    """The requests that ended in one part of the time; ``p95`` is their latency's, in seconds."""

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
    """What all gateways together have noted.

    + since, until: UTC; ``until`` itself is not in it
    + groups: most calls first; by day: in their order
    + series: parts of the time, all as long, in their order
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


def ask_usage(gateways: Gateways, last: timedelta, by: str, until: datetime | None = None) -> Usage:
    """Ask all gateways for the requests that ended in the ``last`` hours or days.

    + by: one of BY: model (as asked for), provider, instance and place (of who answered: house or
      outside), key, day (UTC)
    + until: the end of that time (default: now)
    """
    return ask_usages(gateways, last, (by,), until)[by]


def ask_usages(
    gateways: Gateways, last: timedelta, bys: Sequence[str], until: datetime | None = None
) -> dict[str, Usage]:
    """The same for several groupings, in one pass over the logs."""
    end = until or now()
    seconds = max(1, int(last.total_seconds()))
    since = end - timedelta(seconds=seconds)
    answers = ask_log(
        gateways,
        host_usage,
        since=stamp(since),
        until=stamp(end),
        parts=min(SERIES, seconds),
        bys=list(bys),
    )
    unreached = {host: str(why) for host, why in answers.items() if isinstance(why, Unreached)}
    told = [answer for answer in answers.values() if not isinstance(answer, Unreached)]
    damaged = sum(one["damaged"] for one in told)
    series = _merged(part for one in told for part in enumerate(one["series"]))
    width = timedelta(seconds=seconds) / min(SERIES, seconds)
    buckets = tuple(
        _bucket(since + index * width, series.get(index, Sums()))
        for index in range(min(SERIES, seconds))
    )
    total = Sums()
    for one in told:
        for _, sums in one["groups"][bys[0]]:
            total.merge(from_plain(sums))
    found = {}
    for by in bys:
        rows = _merged((_name(by, name), sums) for one in told for name, sums in one["groups"][by])
        groups = [_group(name, sums) for name, sums in rows.items()]
        groups.sort(key=lambda group: group.name)
        if by != "day":
            groups.sort(key=lambda group: -group.calls)
        found[by] = Usage(
            since,
            end,
            by,
            tuple(groups),
            _group("total", total),
            buckets,
            damaged,
            unreached,
        )
    return found


def now() -> datetime:
    """The next whole second in UTC, so that no second is in two parts of a time."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)


def stamp(moment: datetime) -> str:
    """A moment as the log has it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _name(by: str, name: str | None) -> str:
    if name is None:
        return NAMELESS.get(by, NOBODY)
    return one_line(name, LONGEST) if name else REST


def _merged(parts: Iterable[tuple[K, Mapping[str, Any]]]) -> dict[K, Sums]:
    found: dict[K, Sums] = {}
    for key, told in parts:
        found.setdefault(key, Sums()).merge(from_plain(told))
    return found


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
