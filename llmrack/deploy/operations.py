"""pyinfra's operations: one that refuses a host, one per component, one that proves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, cast

from pyinfra import host, logger, state
from pyinfra.api import FileUploadCommand, FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.arguments import ConnectorArguments
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from typing_extensions import override

from llmrack.components.plan import COMPONENTS
from llmrack.components.system.clock import slow_or_fast
from llmrack.deploy.rollout import rollout
from llmrack.deploy.run.lock import guarded, take
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.connection import BROKEN, is_lost
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
from llmrack.secrets.value import redact

Work = Callable[[Rack, dict[str, Any]], bool]

LOST = (
    "the connection to it was lost; what is at work there may go on. Run this again once it can "
    "be reached: that waits until such work has ended"
)


class Carry(FunctionCommand):
    """Work on one host that reports in its own words and says whether it succeeded."""

    def __init__(self, rack: Rack, work: Work) -> None:
        super().__init__(work, (), {})
        self._rack = rack

    @override
    def execute(self, state: State, host: Host, connector_arguments: Any) -> bool:
        """Run it with the operation's own connection arguments (sudo and the like)."""
        try:
            return bool(self.function(self._rack, dict(connector_arguments)))
        except BROKEN:
            if not is_lost(self._rack.pyinfra_host):
                raise
            say(self._rack, LOST, logger.error)
            return False


@operation()
def accept(rack: Rack) -> Generator[Carry]:
    """Refuse a host that cannot carry what is declared, before anything is changed there.

    + rack: the host
    """
    reasons: list[str] = []
    try:
        if rack.host.bundle:
            from llmrack.deploy.transfer import bundled

            reasons = bundled.refusals(rack)
        reasons = reasons or rack.refusals() or _locked(rack)
    except PyinfraError as error:
        # Raised from here it would end the run for every host.
        reasons = [str(error)]
    rack.refused = bool(reasons)
    if not reasons:
        # Told with the plan, where there is one.
        if not (state.is_executing and state.check_for_changes):
            for note in [*slow_or_fast(rack.seen), *rack.notes(), *_kept_edits(rack)]:
                say(rack, note)
        host.noop("it can carry what is declared")
        return
    if not state.is_executing:
        _refuse(rack, reasons)
    yield Carry(rack, lambda rack, arguments: _refuse(rack, reasons))


def _kept_edits(rack: Rack) -> list[str]:
    if not rack.seen.kept:
        return []
    from llmrack.deploy.hand_edits import kept_edits

    return kept_edits(rack)


def _locked(rack: Rack) -> list[str]:
    """Take the host's lock where something is going to be changed; why that cannot be.

    Here, because no host is changed before all of the run have been accepted.
    """
    if not state.is_executing or not any(rack.changes_of(part) for part in COMPONENTS):
        return []
    reason = take(rack)
    if reason and not is_lost(rack.pyinfra_host):
        rack.run.locked.append(rack.host.name)
    return [_explained(rack, reason)] if reason else []


def _explained(rack: Rack, reason: str) -> str:
    from llmrack.deploy.full_disks import explained

    return explained(rack, reason)


def _refuse(rack: Rack, reasons: Sequence[str]) -> bool:
    for reason in reasons:
        say(rack, f"refused, nothing was changed: {reason}", logger.error)
    return False


@operation()
def apply(rack: Rack, component: str) -> Generator[Carry]:
    """Make one component as declared.

    + rack: the host
    + component: ``system``, ``gpu``, ``ollama``, ``gateway`` or ``monitor``
    """
    if rack.refused:
        host.noop("the host was refused")
        return
    changes = rack.changes_of(component)
    if not changes:
        host.noop(f"{component} is as declared")
        return
    if not state.is_executing:
        for change in changes:
            say(rack, f"would change {change.resource}: {change.why}")
    if not (state.is_executing and state.check_for_changes) and any(
        each.edited for each in changes
    ):
        from llmrack.deploy.hand_edits import show_edits

        show_edits(rack, changes)
    yield Carry(rack, lambda rack, arguments: carry_out(rack, changes, arguments))
    if component == "gpu":
        # A driver shows cards that instances follow from.
        rack.forget()


def carry_out(rack: Rack, changes: Sequence[Change], arguments: dict[str, Any]) -> bool:
    """Do every change in order; the first that fails ends it. Returns whether all went well."""
    if rack.run.locked:
        others = ", ".join(sorted(rack.run.locked))
        say(rack, f"not changed, as another run has the lock of {others}", logger.error)
        return False
    rack.run.changed.add(rack.host.name)
    before, switch, together, after = rollout.parts(rack, changes)
    work = partial(_carry_out_one, rack, arguments=arguments)

    def run(action: Shell) -> str:
        return _explained(rack, shell(rack, action, arguments))

    order = partial(rack.run.supply.order, rack)
    return (
        all(map(work, order(before)))
        and (not switch or rollout.roll_out(rack, switch, together, work, run, arguments))
        and all(map(work, order(after)))
    )


def _carry_out_one(rack: Rack, change: Change, arguments: dict[str, Any]) -> bool:
    """Do one change; whether it went well."""
    say(rack, f"{change.resource}: {change.why}")
    with signs_of_life(rack, change.resource):
        for action in change.actions:
            reason = _attempt(rack, action, arguments)
            if reason:
                say(rack, f"{change.resource} failed: {_explained(rack, reason)}", logger.error)
                return False
    if change.secrets:
        places = rack.run.declared.places
        audit.note(places, f"bring to {rack.host.name}", change.secrets)
    return True


def _attempt(rack: Rack, action: Action, arguments: dict[str, Any]) -> str:
    """The reason why it failed, or an empty text."""
    try:
        reason = take(rack) or _do(rack, action, arguments)
    except BROKEN as error:
        reason = str(error) or type(error).__name__
    return LOST if reason and is_lost(rack.pyinfra_host) else reason


def _do(rack: Rack, action: Action, arguments: dict[str, Any]) -> str:
    """The reason why it failed, or an empty text."""
    # httpx costs 0.2 s to import; a run that changes nothing does without.
    if isinstance(action, Pull):
        return rack.run.supply.obtain(rack, action, lambda: _fetch(rack, action, arguments))
    if isinstance(action, Send | InstallBundled):
        from llmrack.deploy.transfer import bundled

        if isinstance(action, Send):
            return bundled.send(rack, action, arguments)
        return bundled.install(rack, action, arguments)
    if isinstance(action, Build):
        from llmrack.deploy.transfer.build import build

        return build(rack, action)
    if isinstance(action, Reboot):
        from llmrack.deploy.reboot import reboot

        return reboot(rack, action, arguments)
    if isinstance(action, Upload):
        command = FileUploadCommand(str(action.local), action.remote)
        done = command.execute(rack.state, rack.pyinfra_host, cast(ConnectorArguments, arguments))
        return "" if done else f"{action.local} could not be sent"
    return shell(rack, action, arguments)


def _fetch(rack: Rack, action: Pull, arguments: dict[str, Any]) -> str:
    """Bring a model to the host that no other one has; the reason why it failed."""
    if rack.host.bundle:
        from llmrack.deploy.transfer.bundled import put_model

        return put_model(rack, action, arguments)
    from llmrack.deploy.transfer.pull import pull

    return pull(rack, action)


def shell(rack: Rack, action: Shell, arguments: dict[str, Any]) -> str:
    """Run a script on the host; what it printed is the reason when it fails.

    In a run that took the host's lock it runs only under it.
    """
    lost = take(rack) if rack.lock else ""
    if lost:
        return lost
    command = StringCommand("timeout", str(action.timeout), "sh", "-c", QuoteString(action.script))
    extra = {"_stdin": action.stdin} if action.stdin is not None else {}
    done, output = rack.pyinfra_host.run_shell_command(
        guarded(rack, command), print_input=rack.state.print_input, **{**arguments, **extra}
    )
    if done:
        return ""
    if is_lost(rack.pyinfra_host):
        return LOST
    tail = [line.line for line in output][-20:]
    text = "\n      ".join(tail) or f"no word within {action.timeout} s"
    return redact(text, dict(rack.run.declared.secrets))
