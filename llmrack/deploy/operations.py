"""pyinfra's operations: one that refuses a host, one per component, one that proves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from typing_extensions import override

from llmrack.components.system.clock import slow_or_fast
from llmrack.deploy.rollout import rollout
from llmrack.deploy.run.lock import take
from llmrack.deploy.run.rack import Rack
from llmrack.deploy.run.scripts import LOST, shell
from llmrack.deploy.transfer.obtain import available_models_first, obtain
from llmrack.hosts.connection import BROKEN, Unreached, is_lost, reason
from llmrack.hosts.progress import say, signs_of_life
from llmrack.resources.change import (
    Action,
    Build,
    Change,
    InstallBundled,
    Pull,
    Reboot,
    Send,
    Shell,
    Upload,
)
from llmrack.secrets import audit


class Carry(FunctionCommand):
    """Work on one host that reports in its own words and says whether it succeeded."""

    def __init__(self, rack: Rack, work: Callable[[Rack], bool]) -> None:
        super().__init__(work, (), {})
        self._rack = rack

    @override
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        """Do it; a lost connection fails this host alone."""
        try:
            return bool(self.function(self._rack))
        except (Unreached, *BROKEN):
            if not is_lost(self._rack.pyinfra_host):
                raise
            self._rack.say(LOST, logger.error)
            return False


@operation()
def accept(rack: Rack) -> Generator[Carry]:
    """Refuse a host that cannot carry what is declared, before anything is changed there.

    + rack: the host
    """
    try:
        rack.look()
        reasons = rack.purpose.refusals(rack) or _locked(rack)
    except PyinfraError as error:
        # Raised from here it would end the run for every host.
        reasons = [str(error)]
    rack.refused = bool(reasons)
    count_in_plan(rack, rack.refused)
    if not reasons:
        # Told with the plan, where there is one.
        if not (state.is_executing and state.check_for_changes):
            for note in [*slow_or_fast(rack.seen), *rack.purpose.notes(rack), *_kept_edits(rack)]:
                rack.say(note)
        host.noop("it can carry what is declared")
        return
    if not state.is_executing:
        _refuse(rack, reasons)
    yield Carry(rack, lambda rack: _refuse(rack, reasons))


def count_in_plan(rack: Rack, failed: bool) -> None:
    """Let a run that ends with its plan (``--dry``) exit as one that fails, if a host has failed.

    pyinfra counts the hosts that have failed when it exits. A host that can be changed by the time
    of the deploy, once a person has seen the plan, has not failed.
    """
    if failed:
        rack.state.failed_hosts.add(rack.pyinfra_host)
    elif rack.pyinfra_host in rack.state.active_hosts:
        rack.state.failed_hosts.discard(rack.pyinfra_host)


def _kept_edits(rack: Rack) -> list[str]:
    if not rack.seen.kept:
        return []
    from llmrack.deploy.hand_edits import kept_edits

    return kept_edits(rack)


def _locked(rack: Rack) -> list[str]:
    """Take the host's lock where something is going to be changed; why that cannot be.

    Here, because no host is changed before all of the run have been accepted.
    """
    if not state.is_executing or not rack.all_changes:
        return []
    reason = take(rack)
    if reason and not is_lost(rack.pyinfra_host):
        rack.run.locked.append(rack.host.name)
    return [_explained(rack, reason)] if reason else []


def _explained(rack: Rack, reason: str) -> str:
    from llmrack.deploy.full_disks import explained

    return explained(rack, reason)


def _refuse(rack: Rack, reasons: Sequence[str]) -> bool:
    for text in reasons:
        rack.say(f"refused, nothing was changed: {text}", logger.error)
    return False


@operation()
def apply(rack: Rack, component: str) -> Generator[Carry]:
    """Make one component as declared.

    + rack: the host
    + component: one of ``plan.COMPONENTS``
    """
    if rack.refused:
        host.noop("the host was refused")
        return
    rack.look()
    changes = rack.changes[component]
    if not changes:
        host.noop(f"{component} is as declared")
        return
    if not state.is_executing:
        for change in changes:
            rack.say(f"would change {change.resource}: {change.why}")
    if not (state.is_executing and state.check_for_changes) and any(
        each.edited for each in changes
    ):
        from llmrack.deploy.hand_edits import show_edits

        show_edits(rack, changes)
    yield Carry(rack, lambda rack: carry_out(rack, changes))
    if component == "gpu":
        # A driver shows cards that instances follow from.
        rack.forget()


def carry_out(rack: Rack, changes: Sequence[Change]) -> bool:
    """Do every change in order; the first that fails ends it. Returns whether all went well."""
    if rack.run.locked:
        others = ", ".join(sorted(rack.run.locked))
        text = f"not changed, as another run has the lock of {others}"
        rack.say(text, logger.error)
        return False
    rack.run.changed.add(rack.host.name)
    parts = rollout.parts(rack, changes)
    work = partial(_carry_out_one, rack)

    def do(action: Shell) -> str:
        return _explained(rack, shell(rack, action))

    return (
        all(map(work, available_models_first(rack, parts.before)))
        and rollout.roll_out(rack, parts, rollout.Means(work, do))
        and all(map(work, available_models_first(rack, parts.after)))
    )


def _carry_out_one(rack: Rack, change: Change) -> bool:
    """Do one change; whether it went well."""
    rack.say(f"{change.resource}: {change.why}")
    with signs_of_life(rack.pyinfra_host, change.resource):
        for action in change.actions:
            reason = _attempt(rack, action)
            if reason:
                say(
                    rack.pyinfra_host,
                    f"{change.resource} failed: {_explained(rack, reason)}",
                    logger.error,
                )
                return False
    if change.secrets:
        places = rack.run.declared.places
        audit.note(places, f"bring to {rack.host.name}", change.secrets)
    return True


def _attempt(rack: Rack, action: Action) -> str:
    """The reason why it failed, or an empty text."""
    try:
        failure = take(rack) or _do(rack, action)
    except (Unreached, *BROKEN) as error:
        failure = reason(error)
    return LOST if failure and is_lost(rack.pyinfra_host) else failure


def _do(rack: Rack, action: Action) -> str:
    """The reason why it failed, or an empty text."""
    # httpx costs 0.2 s to import; a run that changes nothing does without.
    if isinstance(action, Pull):
        return obtain(rack, action, lambda: _fetch(rack, action))
    if isinstance(action, Send | InstallBundled):
        from llmrack.deploy.transfer import bundled

        if isinstance(action, Send):
            return bundled.send(rack, action)
        return bundled.install(rack, action)
    if isinstance(action, Build):
        from llmrack.deploy.transfer.build import build

        return build(rack, action)
    if isinstance(action, Reboot):
        from llmrack.deploy.reboot import reboot

        return reboot(rack.pyinfra_host, action, rack.run.reboots)
    if isinstance(action, Upload):
        from llmrack.deploy.transfer.bundled import upload

        return upload(rack, action)
    return shell(rack, action)


def _fetch(rack: Rack, action: Pull) -> str:
    """Bring a model to the host that no other one has; the reason why it failed."""
    if rack.host.bundle:
        from llmrack.deploy.transfer.bundled import put_model

        return put_model(rack, action)
    from llmrack.deploy.transfer.pull import pull

    return pull(rack.pyinfra_host, action)
