"""What went wrong at the gateways, of all their hosts together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from llmrack.hosts.asking import Gateways
from llmrack.hosts.connection import Unreached
from llmrack.observe.providers.gateway_health import GatewayHealth, gateway_health
from llmrack.observe.requests.on_host import ask_log
from llmrack.observe.requests.usage import now, stamp
from llmrack.shipped.host import logs as host_logs
from llmrack.shipped.host.logs import SLOWEST


@dataclass(frozen=True)
class Failure:
    """Errors of one class at one instance.

    + instance: None where nobody was asked: the gateway itself refused
    + attempts: how many attempts ended so; another instance may have answered then
    + requests: how many requests ended so, for their clients
    + last: when one did, ISO 8601 in UTC
    """

    error: str
    instance: str | None
    attempts: int
    requests: int
    last: str


@dataclass(frozen=True)
class Fired:
    """Requests for one name that another one answered.

    + error: why the first instance did not; None where that was not noted
    """

    asked: str | None
    served: str | None
    error: str | None
    requests: int


@dataclass(frozen=True)
class PutAside:
    """A time in which a gateway did not ask an instance, or one of its models.

    + time: its begin, ISO 8601 in UTC
    + model: the instance's name for it; empty for all of the instance
    + seconds: until the instance was asked again; None where no return is noted
    + now: where none is, how it is now
    """

    gateway: str
    time: str
    instance: str
    model: str
    why: str
    seconds: float | None
    now: str = ""


@dataclass(frozen=True)
class Logs:
    """What all gateways together have noted.

    + calls: all requests, also those with which nothing was wrong
    + slowest: lines of the log of requests, with ``gateway``
    + damaged: lines that cannot be read
    + unreached: why gateways, by host, could not be asked
    """

    since: datetime
    until: datetime
    calls: int
    errors: tuple[Failure, ...]
    chains: tuple[Fired, ...]
    slowest: tuple[Mapping[str, Any], ...]
    aside: tuple[PutAside, ...]
    damaged: int
    unreached: dict[str, str]

    @property
    def all_well(self) -> bool:
        """Whether nothing went wrong, as far as is known."""
        return not (self.errors or self.chains or self.aside or self.unreached)


def ask_logs(gateways: Gateways, last: timedelta, until: datetime | None = None) -> Logs:
    """Ask all gateways what went wrong in the ``last`` hours or days before ``until`` (now)."""
    end = until or now()
    asked = {"since": stamp(end - last), "until": stamp(end)}
    answers = ask_log(gateways, host_logs, **asked)
    unreached = {host: str(why) for host, why in answers.items() if isinstance(why, Unreached)}
    told = {host: its for host, its in answers.items() if not isinstance(its, Unreached)}
    slowest = [line | {"gateway": host} for host, its in told.items() for line in its["slowest"]]
    slowest.sort(key=lambda line: -(line["duration"] or 0))
    aside = [_aside(host, rest) for host, its in told.items() for rest in its["rests"]]
    if any(rest.seconds is None for rest in aside):
        health = {each.gateway: each for each in gateway_health(gateways)}
        aside = [_now(rest, health[rest.gateway]) for rest in aside]
    return Logs(
        end - last,
        end,
        sum(its["calls"] for its in told.values()),
        _failures(list(told.values())),
        _fired(list(told.values())),
        tuple(slowest[:SLOWEST]),
        tuple(sorted(aside, key=lambda rest: rest.time)),
        sum(its["damaged"] for its in told.values()),
        unreached,
    )


def _failures(told: Sequence[Mapping[str, Any]]) -> tuple[Failure, ...]:
    found: dict[tuple[str, str | None], Failure] = {}
    for its in told:
        for error, instance, attempts, requests, last in its["errors"]:
            kind = (error, instance)
            before = found.get(kind, Failure(error, instance, 0, 0, ""))
            found[kind] = replace(
                before,
                attempts=before.attempts + attempts,
                requests=before.requests + requests,
                last=max(before.last, last),
            )
    return tuple(sorted(found.values(), key=lambda each: (-each.requests, -each.attempts)))


def _fired(told: Sequence[Mapping[str, Any]]) -> tuple[Fired, ...]:
    found: Counter[tuple[str | None, str | None, str | None]] = Counter()
    for its in told:
        for asked, served, error, requests in its["chains"]:
            found[asked, served, error] += requests
    return tuple(Fired(*chain, requests) for chain, requests in found.most_common())


def _aside(gateway: str, event: Mapping[str, Any]) -> PutAside:
    return PutAside(
        gateway,
        event["time"],
        event["instance"],
        event.get("model") or "",
        event.get("why") or "no reason given",
        event.get("seconds"),
    )


def _now(rest: PutAside, health: GatewayHealth) -> PutAside:
    if rest.seconds is not None:
        return rest
    if health.unknown:
        return replace(rest, now=f"no return is noted, and {health.unknown}")
    if any(each.model == rest.model for each in health.rests.get(rest.instance, ())):
        return replace(rest, now="still resting")
    # What rests is forgotten by a gateway that is started anew.
    return replace(rest, now="asked again since the gateway was restarted")
