"""Asks all gateways for their failures, and adds them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from llmrack.hosts.asking import Gateways
from llmrack.observe.broken_units import BrokenUnit, broken_units
from llmrack.observe.providers.gateway_health import GatewayHealth, gateway_health
from llmrack.observe.requests.on_host import ask_log
from llmrack.observe.requests.usage import now, stamp
from llmrack.shipped.host import logs as host_logs
from llmrack.shipped.host.logs import SLOWEST


@dataclass(frozen=True)
class Failure:
    """Errors of one class at one instance.

    + instance: None if no instance was asked: the gateway itself refused
    + attempts: the number of failed attempts; another instance may have answered then
    + requests: the number of failed requests
    + last: the time of the last one, ISO 8601 in UTC
    """

    error: str
    instance: str | None
    attempts: int
    requests: int
    last: str


@dataclass(frozen=True)
class Fired:
    """Requests for one name that another one answered.

    + error: the class of the first instance's failure; None if it was not noted
    """

    asked: str | None
    served: str | None
    error: str | None
    requests: int


@dataclass(frozen=True)
class PutAside:
    """A time in which a gateway did not ask an instance, or one of its models.

    + time: its beginning, ISO 8601 in UTC
    + model: the instance's name for it; empty for the whole instance
    + seconds: until the instance was asked again; None if no return is noted
    + now: the present state, if no return is noted
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
    """The failures at all gateways.

    + calls: the number of all requests, failed or not
    + slowest: lines of the log of requests, with ``gateway``
    + damaged: lines that cannot be read
    + unreached: why gateways, by host, could not be asked
    + units: the units of all hosts that cannot start
    + units_unknown: why hosts could not be asked for their units
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
    units: tuple[BrokenUnit, ...] = ()
    units_unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_well(self) -> bool:
        """Whether nothing went wrong, as far as is known."""
        return not (
            self.errors
            or self.chains
            or self.aside
            or self.unreached
            or self.units
            or self.units_unknown
        )


def ask_logs(gateways: Gateways, last: timedelta) -> Logs:
    """Ask all gateways for the failures in the ``last`` hours or days."""
    end = now()
    asked = {"since": stamp(end - last), "until": stamp(end)}
    by_host, unreached = ask_log(gateways, host_logs, **asked)
    slowest = [
        line | {"gateway": host} for host, counted in by_host.items() for line in counted["slowest"]
    ]
    slowest.sort(key=lambda line: -(line["duration"] or 0))
    aside = [_aside(host, rest) for host, counted in by_host.items() for rest in counted["rests"]]
    if any(rest.seconds is None for rest in aside):
        health = {gateway.gateway: gateway for gateway in gateway_health(gateways)}
        aside = [_now(rest, health[rest.gateway]) for rest in aside]
    units, units_unknown = broken_units(gateways)
    return Logs(
        end - last,
        end,
        sum(counted["calls"] for counted in by_host.values()),
        _failures(list(by_host.values())),
        _fired(list(by_host.values())),
        tuple(slowest[:SLOWEST]),
        tuple(sorted(aside, key=lambda rest: rest.time)),
        sum(counted["damaged"] for counted in by_host.values()),
        unreached,
        tuple(units),
        {host: why for host, why in units_unknown.items() if host not in unreached},
    )


def _failures(counted: Sequence[Mapping[str, Any]]) -> tuple[Failure, ...]:
    failures: dict[tuple[str, str | None], Failure] = {}
    for gateway in counted:
        for error, instance, attempts, requests, last in gateway["errors"]:
            kind = (error, instance)
            before = failures.get(kind, Failure(error, instance, 0, 0, ""))
            failures[kind] = replace(
                before,
                attempts=before.attempts + attempts,
                requests=before.requests + requests,
                last=max(before.last, last),
            )
    return tuple(
        sorted(failures.values(), key=lambda failure: (-failure.requests, -failure.attempts))
    )


def _fired(counted: Sequence[Mapping[str, Any]]) -> tuple[Fired, ...]:
    fired: Counter[tuple[str | None, str | None, str | None]] = Counter()
    for gateway in counted:
        for asked, served, error, requests in gateway["chains"]:
            fired[asked, served, error] += requests
    return tuple(Fired(*chain, requests) for chain, requests in fired.most_common())


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
    if any(resting.model == rest.model for resting in health.rests.get(rest.instance, ())):
        return replace(rest, now="still resting")
    # A gateway that is restarted asks all instances again.
    return replace(rest, now="asked again since the gateway was restarted")
