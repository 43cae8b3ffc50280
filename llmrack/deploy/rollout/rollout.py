"""A change that restarts Ollama goes through a fleet: one host first, then the others in batches.

What runs is drained, restarted, proven; when it does not pass, the host goes back to what it had,
and those that were not begun stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gevent
from pyinfra import logger

from llmrack.components.ollama.engine_switch import EngineSwitch
from llmrack.components.ollama.instances import UndeclaredInstances
from llmrack.components.ollama.models import COMPARED
from llmrack.components.ollama.models_seen import seen_models
from llmrack.components.ollama.ollama import unit
from llmrack.deploy.rollout.draining import drained
from llmrack.hosts.progress import heard, say, signs_of_life
from llmrack.resources.change import Change, Shell
from llmrack.stack.engines import (
    EngineModel,
    Instance,
    engine_models,
    instance_name,
    instance_url,
    instances,
)

if TYPE_CHECKING:
    from llmrack.deploy.run.rack import Rack

# Seconds between two looks at whose turn it is.
PACE = 0.2

# Carries a change out, says why when it fails, and tells whether all went well.
Work = Callable[[Change], bool]
# Runs a script on the host; the reason why it failed, or an empty text.
Run = Callable[[Shell], str]


class Rollout:
    """Whose turn it is: one for all hosts of a run, whose operations run at the same time."""

    def __init__(self) -> None:
        self._at_work: set[str] = set()
        self._passed = False
        self._failed = ""

    def turn(
        self, rack: Rack, work: Callable[[], bool], back: Callable[[], bool] | None = None
    ) -> bool:
        """Do ``work`` when it is this host's turn; whether it went well.

        + back: what a host does instead after another one's failure, where it has a change that
          nobody has proven

        The first to come goes first and alone. Nobody begins after a failure.
        """
        me = rack.host.name
        if not self._free(rack):
            say(rack, f"waiting for its turn, after {', '.join(sorted(self._at_work))}")
        while not (self._failed or self._free(rack)):
            # The one that it waits for says how it gets on.
            heard(rack)
            gevent.sleep(PACE)
        if self._failed and back:
            return back()
        if self._failed:
            say(rack, f"Ollama is untouched, since {self._failed}'s gate failed", logger.error)
            return False
        self._at_work.add(me)
        well = False
        try:
            well = work()
            return well
        finally:
            self._at_work.remove(me)
            self._passed = self._passed or well
            self._failed = self._failed or ("" if well else me)

    def _free(self, rack: Rack) -> bool:
        batch = rack.host.settings.ollama_batch if self._passed else 1
        return len(self._at_work) < batch


def parts(
    rack: Rack, changes: Sequence[Change]
) -> tuple[list[Change], EngineSwitch | None, list[Change], list[Change]]:
    """What comes before a change of what Ollama runs with, that change, and what comes after it.

    All comes before where nothing serves that it would restart.
    """
    resources = rack.resources(rack.arch)["ollama"]
    switch = next((each for each in resources if isinstance(each, EngineSwitch)), None)
    undeclared = [each for each in resources if isinstance(each, UndeclaredInstances)]
    names = {*switch.parts, switch.name} if switch else set[str]()
    places = [place for place, each in enumerate(changes) if each.resource in names]
    serves = switch and (_serves(rack, switch) or any(u.gone(rack.seen) for u in undeclared))
    if switch is None or not places or not serves:
        return list(changes), None, [], []
    first, last = places[0], places[-1] + 1
    return list(changes[:first]), switch, list(changes[first:last]), list(changes[last:])


def _serves(rack: Rack, switch: EngineSwitch) -> bool:
    seen = rack.seen
    units = (seen.units.get(each) for each in switch.instances.values())
    return switch.kept in seen.paths or any(each and each.active == "active" for each in units)


def roll_out(
    rack: Rack,
    switch: EngineSwitch,
    changes: Sequence[Change],
    work: Work,
    run: Run,
    arguments: Mapping[str, Any],
) -> bool:
    """Change what Ollama runs with, when it is this host's turn; whether all went well."""
    host = _Host(rack, switch, work, run, arguments)
    back = host.back if switch.kept in rack.seen.paths else None
    return rack.run.rollout.turn(rack, lambda: host.change(changes), back)


class _Host:
    """One host in its turn."""

    def __init__(
        self, rack: Rack, switch: EngineSwitch, work: Work, run: Run, arguments: Mapping[str, Any]
    ) -> None:
        self._rack, self._switch, self._work, self._run = rack, switch, work, run
        self._arguments = arguments
        self._left = {f"Unit {unit(each.name)}": each for each in instances(rack.host)}
        self._compared: list[Change] = []

    def change(self, changes: Sequence[Change]) -> bool:
        """Everything in its order; an instance is drained while it restarts."""
        proof = self._switch.name
        self._compared = [each for each in changes if each.resource == COMPARED]
        if not self._did(self._switch.keep):
            return False
        for change in changes:
            if change in self._compared:
                continue
            if instance := self._left.get(change.resource):
                if not self._restart(change, instance):
                    return False
            elif not self._work(change) or (change.resource == proof and not self._prove()):
                return self.back()
        return self._did(self._switch.forget)

    def _restart(self, change: Change, instance: Instance) -> bool:
        name = instance_name(self._rack.host, instance)
        had = self._loaded(instance)
        with drained(self._rack, name, self._arguments):
            compared = self._compared if instance.writer else []
            if all(map(self._work, [change, *compared])) and self._passes(instance, had):
                del self._left[change.resource]
                return True
            return self.back()

    def _prove(self) -> bool:
        """The gate of those that a run has restarted which was cut off before it."""
        return all(map(self._passes, self._left.values()))

    def _loaded(self, instance: Instance) -> set[str]:
        # The requests need httpx, which costs 0.2 s to import; most runs do without.
        from llmrack.hosts.tunnel import http_client
        from llmrack.verify.ollama.gate import loaded_models

        host = self._rack.host
        url = instance_url(host, instance, host)
        with http_client(self._rack.pyinfra_host, url) as client:
            return loaded_models(client, instance_name(host, instance))

    def _passes(self, instance: Instance, had: Collection[str] = ()) -> bool:
        """The gate; says why it is not passed.

        + had: models that it had loaded
        """
        from llmrack.hosts.tunnel import http_client
        from llmrack.verify.ollama.gate import prove_restarted

        rack, host = self._rack, self._rack.host
        name, url = instance_name(host, instance), instance_url(host, instance, host)
        models = self._models(had)
        asked = ", ".join(model.name for model in models) or "none of its models is there yet"
        say(rack, f"{name}: its gate ({asked})")
        with (
            http_client(rack.pyinfra_host, url) as client,
            signs_of_life(rack, f"{name}: its gate"),
        ):
            results = prove_restarted(client, rack.run.declared.stack, host, instance, models)
        failed = [f"{each.subject} {each.check}: {each.detail}" for each in results if not each.ok]
        its = unit(instance.name)
        failed = [*failed, self._run(self._switch.tells(its))] if failed else []
        failed = failed or [self._run(self._switch.stands(its, url))]
        for reason in filter(None, failed):
            say(rack, f"{name} failed its gate: {reason}", logger.error)
        return not any(failed)

    def _models(self, had: Collection[str]) -> list[EngineModel]:
        """Those that were loaded, or else the smallest one that is there and served."""
        there = seen_models(self._rack.seen)
        served = [
            model
            for model in engine_models(self._rack.run.declared.stack, self._rack.host)
            if model.public and model.name in there
        ]
        served.sort(key=lambda model: there[model.name].size)
        return [model for model in served if model.name in had] or served[:1]

    def back(self) -> bool:
        """Give the host back what it had; it has failed, however well that goes."""
        before = self._switch.previous(self._rack.seen)
        say(self._rack, f"Ollama goes back to {before}", logger.error)
        if self._did(self._switch.back(self._rack.seen)):
            say(self._rack, f"Ollama is back at {before} and answers", logger.error)
        return False

    def _did(self, action: Shell) -> bool:
        reason = self._run(action)
        if reason:
            say(self._rack, f"{self._switch.name} failed: {reason}", logger.error)
        return not reason
