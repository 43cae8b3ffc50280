"""Derives the drills from the declaration: the instances that can be lost, and their stand-ins."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from llmrack.stack.deployments import Deployment, deployments
from llmrack.stack.engines import instances
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.instances import Instance, instance_name
from llmrack.stack.kinds import Kind, kind_of
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard

# Seconds until a gateway notices that a watched instance is silent: it misses three signs of life,
# each asked for a second after the last and awaited for a second (routing/health.py of
# llmrack/shipped/gateway).
NOTICED = 6.0
# Seconds that an unwatched instance may be silent without a declared first_token_timeout.
EXPECTED = 5.0
# Most requests of a kind at once.
MOST = 4
# Seconds between two requests that test the return; a paid stand-in is asked less often.
PACE, PAID_PACE = 0.2, 1.0
# Requests until a watched instance is back, if it need not load a model.
WATCHED_RETURN = 3


class Cause(StrEnum):
    """How an instance is lost.

    + STOPPED: its unit is stopped: connections are refused
    + FROZEN: its processes are stopped: connections are accepted, and get no answer
    + CUT_OFF: the gateway's host drops packets to it
    + REFUSED: the gateway's host resets connections to it
    + KILLED: its pod is ended within a second
    """

    STOPPED = "stopped"
    FROZEN = "frozen"
    CUT_OFF = "cut off"
    REFUSED = "refused"
    KILLED = "killed"

    @property
    def known_at_once(self) -> bool:
        """Whether a new connection fails at once."""
        return self in (Cause.STOPPED, Cause.REFUSED)


@dataclass(frozen=True)
class Asked:
    """A public name for which an instance is the first choice, or one of the first.

    + kind: of its answers
    + lost: its deployments on that instance
    + standins: the deployments that may answer instead: the name's others, then those of its chain
    + next: the stand-ins that are asked first
    + volley: requests of a kind at once, so that the instance is chosen for one
    + in_turn: whether the instance certainly gets its share of requests
    + paid: whether the stand-ins that are asked first cost money
    + deadline: seconds until a stand-in must have been asked
    """

    name: str
    kind: Kind
    lost: tuple[Deployment, ...]
    standins: tuple[Deployment, ...]
    next: tuple[Deployment, ...]
    volley: int
    in_turn: bool
    paid: bool
    deadline: float

    @property
    def everybody(self) -> tuple[Deployment, ...]:
        """All deployments that may answer."""
        return self.lost + self.standins


@dataclass(frozen=True)
class Drill:
    """One instance, lost in one way.

    + instance: its name
    + at: the host on which it is broken: the instance's, or the gateway's
    + broken: the instance there that is broken itself; None where the way to it is
    + url: its address for the gateway
    + asked: the names that are asked meanwhile
    + alone: names without an answer meanwhile
    """

    gateway: Host
    instance: str
    cause: Cause
    at: Host
    broken: Instance | None
    url: str
    asked: tuple[Asked, ...]
    alone: tuple[str, ...]

    @property
    def title(self) -> str:
        """The instance and how it is lost."""
        return f"{self.instance} {self.cause}"


@dataclass(frozen=True)
class Plan:
    """The drills through one gateway, one after the other.

    + alone: for each instance that is not broken, the names without a stand-in
    """

    gateway: Host
    drills: tuple[Drill, ...]
    alone: tuple[tuple[str, tuple[str, ...]], ...]


def plan(stack: Stack, fleet: Fleet, gateway: Host, limit: str | None = None) -> Plan:
    """Drills for every instance with a stand-in, one for each cause.

    + limit: a host or group: only instances there; providers elsewhere count as the gateway's
    """
    ours = {
        instance_name(host, instance): (host, instance)
        for host in fleet.hosts
        for instance in instances(stack, host)
    }
    served = deployments(stack, fleet, gateway)
    drills: list[Drill] = []
    unbroken: dict[str, tuple[str, ...]] = {}
    for name, (first, *_) in _grouped(served, lambda deployment: deployment.instance).items():
        host, instance = gateway, None
        if stack.providers[first.provider].runs_on:
            host, instance = ours[name]
        if limit and limit != host.name and limit not in host.groups:
            continue
        for cause in _causes(instance, host.name == gateway.name):
            names = list(_asked(stack, served, name, cause))
            alone = tuple(asked.name for asked in names if not asked.standins)
            answered = tuple(asked for asked in names if asked.standins)
            if not answered:
                unbroken[name] = alone
                continue
            at, broken = gateway, None
            if cause in (Cause.STOPPED, Cause.FROZEN):
                at, broken = host, instance
            drills.append(Drill(gateway, name, cause, at, broken, first.url, answered, alone))
    return Plan(gateway, tuple(drills), tuple((k, names) for k, names in unbroken.items() if names))


def _grouped(
    group: Sequence[Deployment], key: Callable[[Deployment], str]
) -> dict[str, list[Deployment]]:
    groups: dict[str, list[Deployment]] = {}
    for deployment in group:
        groups.setdefault(key(deployment), []).append(deployment)
    return groups


def _causes(instance: Instance | None, near: bool) -> tuple[Cause, ...]:
    if instance is None:
        return (Cause.REFUSED, Cause.CUT_OFF)
    return (Cause.STOPPED, Cause.FROZEN) if near else (Cause.STOPPED, Cause.FROZEN, Cause.CUT_OFF)


def _asked(
    stack: Stack, served: Sequence[Deployment], instance: str, cause: Cause
) -> Iterator[Asked]:
    by_name = _grouped(served, lambda deployment: deployment.name)
    for name, group in by_name.items():
        lost = tuple(deployment for deployment in group if deployment.instance == instance)
        lowest = min(deployment.level for deployment in group)
        serving = [deployment for deployment in group if deployment.level == lowest]
        # If another instance is asked first, nobody notices the loss.
        if is_wildcard(name) or not set(lost) & set(serving):
            continue
        model = stack.models[lost[0].model]
        # An image costs too much.
        if kind_of(model) == "image":
            continue
        others = [deployment for deployment in group if deployment not in lost]
        chain = [
            [deployment for deployment in by_name.get(later, ()) if deployment.instance != instance]
            for later in stack.chain(name)
        ]
        least = min((deployment.level for deployment in others), default=0)
        steps = [[deployment for deployment in others if deployment.level == least], *chain]
        following = next((step for step in steps if step), [])
        share = sum(deployment.weight for deployment in lost if deployment in serving)
        whole = sum(deployment.weight for deployment in serving)
        peers = len(serving) > len(lost)
        yield Asked(
            name=name,
            kind=kind_of(model),
            lost=lost,
            standins=(*others, *(deployment for step in chain for deployment in step)),
            next=tuple(following),
            volley=min(math.ceil(whole / share), MOST),
            in_turn=not peers or name in stack.mixes or _strategy(stack, name) != "latency",
            paid=any(stack.providers[deployment.provider].is_paid for deployment in following),
            # Each of its models may be asked in turn, before the instance is given up.
            deadline=sum(_deadline(stack, deployment, cause) for deployment in lost),
        )


def _strategy(stack: Stack, name: str) -> str:
    return stack.models[stack.members(name)[0]].strategy or stack.strategy


def _deadline(stack: Stack, lost: Deployment, cause: Cause) -> float:
    if cause.known_at_once:
        return 0.0
    model, provider = stack.models[lost.model], stack.providers[lost.provider]
    first = model.first_token_timeout or provider.first_token_timeout
    if first is None or kind_of(model) != "chat":
        first = NOTICED if provider.health_check else EXPECTED
    return max(first, provider.connect_timeout) if cause is Cause.CUT_OFF else first


def paid_requests(stack: Stack, gateway_plan: Plan) -> dict[str, int]:
    """For each provider that costs money, about how many requests it gets."""
    counts: dict[str, int] = {}

    def count(provider: str, requests: int) -> None:
        if stack.providers[provider].is_paid:
            counts[provider] = counts.get(provider, 0) + requests

    # Each is asked by itself before anything is broken.
    for deployment in {
        deployment.id: deployment
        for drill in gateway_plan.drills
        for asked in drill.asked
        for deployment in asked.everybody
    }.values():
        count(deployment.provider, 1)
    for drill in gateway_plan.drills:
        for asked in drill.asked:
            # The instance answers once when it is back, and once more alone.
            for deployment in asked.lost:
                count(deployment.provider, 2)
            watched = stack.providers[asked.lost[0].provider].health_check
            waiting = WATCHED_RETURN
            if not watched:
                waiting = math.ceil(gateway_plan.gateway.settings.gateway_cooldown / PAID_PACE) + 1
            count(asked.next[0].provider, requests_while_lost(asked) + waiting)
    return counts


def requests_while_lost(asked: Asked) -> int:
    """Requests for a name while its instance is lost: one volley of each kind, then one more."""
    return (2 if asked.kind == "chat" else 1) * asked.volley + 1
