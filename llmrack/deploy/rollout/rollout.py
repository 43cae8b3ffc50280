"""A change that restarts an engine goes through a fleet: one host first, then batches of others.

What runs is drained, restarted, proven; when it does not pass, the host goes back to what it had,
and those that were not begun stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from pyinfra import logger

from llmrack.components.engine import Engine, Switch
from llmrack.components.engines import ENGINES, unit_of
from llmrack.deploy.rollout.draining import drained
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.progress import heard, signs_of_life
from llmrack.resources.change import Change, Shell
from llmrack.stack.engines import instances
from llmrack.stack.instances import EngineModel, Instance, instance_name, instance_url


@dataclass(frozen=True)
class Means:
    """How a change is carried out.

    + change: carries a change out, says why when it fails, and tells whether all went well
    + script: runs a script on the host; the reason why it failed, or an empty text
    """

    change: Callable[[Change], bool]
    script: Callable[[Shell], str]


@dataclass(frozen=True)
class Parts:
    """A host's changes of one component, by when they are made.

    + before: made at once
    + engine: the one whose running instances would be restarted, if any would
    + switch: what that one runs with
    + in_turn: made when it is the host's turn
    + after: made after that
    """

    before: list[Change]
    engine: Engine | None = None
    switch: Switch | None = None
    in_turn: list[Change] = field(default_factory=list)
    after: list[Change] = field(default_factory=list)


def parts(rack: Rack, changes: Sequence[Change]) -> Parts:
    """Divide the changes of a component around the one of what an engine runs with.

    If no running instance would be restarted, every change is made at once.
    """
    for name, engine in ENGINES.items():
        switch = engine.switch(rack.resources(rack.arch)[name])
        names = {*switch.parts, switch.name} if switch else set[str]()
        places = [place for place, change in enumerate(changes) if change.resource in names]
        if switch and places and switch.serves(rack.seen):
            start, end = places[0], places[-1] + 1
            before, in_turn, after = changes[:start], changes[start:end], changes[end:]
            return Parts(list(before), engine, switch, list(in_turn), list(after))
    return Parts(list(changes))


def roll_out(rack: Rack, parts: Parts, means: Means) -> bool:
    """Change what an engine runs with, when it is this host's turn; whether all went well.

    The first host goes first and alone, and a host with a change that nobody has proven goes before
    the others, since its instances may be bad. No host begins after a failure.
    """
    engine, switch = parts.engine, parts.switch
    if engine is None or switch is None:
        return True
    turns = rack.run.turns
    work = _HostInTurn(rack, engine, switch, means)

    def change() -> bool:
        return work.change(parts.in_turn)

    said: list[str] = []

    def waiting() -> None:
        if not said:
            first = turns.at_work or _unproven(rack, engine.name)
            said.append(f"waiting for its turn, after {', '.join(sorted(first))}")
            rack.say(said[0])
        # The host that it waits for says how it gets on.
        heard(rack.pyinfra_host)

    def batch() -> int:
        return 0 if _unproven(rack, engine.name) else engine.batch(rack.host)

    went_well = turns.turn(rack.host.name, batch, change, waiting)
    if went_well is not None:
        return went_well
    if switch.is_unproven(rack.seen):
        # It has a change that nobody has proven.
        return work.back()
    rack.say(f"{engine.title} is untouched, since {turns.failed}'s gate failed", logger.error)
    return False


def _unproven(rack: Rack, engine: str) -> set[str]:
    """Names of the hosts that go before this one: none if its own change is unproven, too."""
    run, active = rack.run, rack.state.active_hosts
    unproven = set()
    for other in run.racks.values():
        if other.refused or not other.is_seen or other.pyinfra_host not in active:
            continue
        switch = ENGINES[engine].switch(other.resources(other.arch)[engine])
        if switch and switch.is_unproven(other.seen):
            unproven.add(other.host.name)
    return set() if rack.host.name in unproven else unproven - run.turns.begun


class _HostInTurn:
    """One host in its turn."""

    def __init__(self, rack: Rack, engine: Engine, switch: Switch, means: Means) -> None:
        self._rack, self._engine, self._switch = rack, engine, switch
        self._work, self._run = means.change, means.script
        resources = {unit: name for name, unit in switch.instances.items()}
        self._instances = {
            resources[unit_of(instance)]: instance
            for instance in instances(rack.run.declared.stack, rack.host)
            if instance.engine == engine.name
        }
        self._left = dict(self._instances)
        self._compared: list[Change] = []
        self._drained: set[str] = set()

    def change(self, changes: Sequence[Change]) -> bool:
        """Everything in its order; an instance is drained while it restarts."""
        proof = self._switch.name
        self._compared = [each for each in changes if each.resource == self._switch.compared]
        if not self._did(self._switch.keep):
            return False
        for change in changes:
            if change in self._compared:
                continue
            if instance := self._left.get(change.resource):
                if not self._restart(change, instance):
                    return False
            elif change.resource == proof:
                if not self._work(change) or not self._prove():
                    return False
            elif not self._work(change):
                return self.back()
        return self._did(self._switch.forget)

    def _restart(self, change: Change, instance: Instance) -> bool:
        had = self._loaded(instance)
        with self._no_requests([instance]):
            compared = self._compared if instance.writer else []
            if all(map(self._work, [change, *compared])) and self._passes(instance, had):
                del self._left[change.resource]
                return True
            return self.back()

    def _prove(self) -> bool:
        """The gate of those that a run has restarted which was cut off before it."""
        left = list(self._left.values())
        with self._no_requests(left):
            return all(map(self._passes, left)) or self.back()

    @contextmanager
    def _no_requests(self, instances: Collection[Instance]) -> Iterator[None]:
        """No requests for these instances inside the ``with``, if others can answer them."""
        names = {instance_name(self._rack.host, instance) for instance in instances}
        with ExitStack() as drains:
            for name in sorted(names - self._drained):
                drains.enter_context(drained(self._rack, name))
                self._drained.add(name)
                drains.callback(self._drained.discard, name)
            yield

    def _loaded(self, instance: Instance) -> set[str]:
        # The requests need httpx, which costs 0.2 s to import; most runs do without.
        from llmrack.hosts.tunnel import http_client
        from llmrack.verify.engines import proof_of

        stack, host = self._rack.run.declared.stack, self._rack.host
        url = instance_url(host, instance, host)
        with http_client(self._rack.pyinfra_host, url) as client:
            return proof_of(client, stack, host, instance).loaded()

    def _passes(self, instance: Instance, had: Collection[str] = ()) -> bool:
        """The gate; says why it is not passed.

        + had: models that it had loaded
        """
        from llmrack.hosts.tunnel import http_client
        from llmrack.verify.engines import proof_of

        rack, host = self._rack, self._rack.host
        name, url = instance_name(host, instance), instance_url(host, instance, host)
        models = self._models(had)
        asked = ", ".join(model.name for model in models) or "none of its models is there yet"
        rack.say(f"{name}: its gate ({asked})")
        with (
            http_client(rack.pyinfra_host, url) as client,
            signs_of_life(rack.pyinfra_host, f"{name}: its gate"),
        ):
            results = proof_of(client, rack.run.declared.stack, host, instance).gate(models)
        failed = [f"{each.subject} {each.check}: {each.detail}" for each in results if not each.ok]
        unit = unit_of(instance)
        failed = [*failed, self._run(self._switch.tells(unit))] if failed else []
        failed = failed or [self._run(self._switch.stands(unit, url))]
        for reason in filter(None, failed):
            rack.say(f"{name} failed its gate: {reason}", logger.error)
        return not any(failed)

    def _models(self, had: Collection[str]) -> list[EngineModel]:
        """Those that were loaded, or else the smallest one that is there and served."""
        there = self._engine.models_seen(self._rack.seen)
        served = [
            model
            for model in self._engine.models(self._rack.run.declared.stack, self._rack.host)
            if model.public and model.name in there
        ]
        served.sort(key=lambda model: there[model.name].size)
        return [model for model in served if model.name in had] or served[:1]

    def back(self) -> bool:
        """Give the host back what it had; it has failed, however well that goes."""
        before = self._switch.previous(self._rack.seen)
        self._rack.say(f"{self._engine.title} goes back to {before}", logger.error)
        untouched = () if self._switch.is_unproven(self._rack.seen) else self._left
        restarted = [
            instance for name, instance in self._instances.items() if name not in untouched
        ]
        with self._no_requests(restarted):
            if self._did(self._switch.back(self._rack.seen)):
                self._rack.say(
                    f"{self._engine.title} is back at {before} and answers", logger.error
                )
        return False

    def _did(self, action: Shell) -> bool:
        reason = self._run(action)
        if reason:
            self._rack.say(f"{self._switch.name} failed: {reason}", logger.error)
        return not reason
