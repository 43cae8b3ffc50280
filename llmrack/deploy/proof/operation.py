"""The proof as an operation: each host is asked, then one table is shown."""

from __future__ import annotations

import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import click
from pyinfra import host as this_host
from pyinfra import logger
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State

from llmrack.components.engines import units as units_of_instances
from llmrack.components.gateway.service import COLOURS, service
from llmrack.deploy.operations import Carry, count_in_plan
from llmrack.deploy.run.rack import Rack
from llmrack.deploy.run.scripts import shell
from llmrack.hosts.commands import run
from llmrack.hosts.progress import say, signs_of_life
from llmrack.resources.change import Shell
from llmrack.secrets.value import redact
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import GATEWAY_GROUP, MONITOR_GROUP
from llmrack.verify.last_report import WholeProof, keep_proof, last_whole_proof
from llmrack.verify.report_json import as_json
from llmrack.verify.results import Report, Result

# Where `llmrack verify` finds the report of the run that it started.
REPORT_FILE = "LLMRACK_REPORT_FILE"
# LiteLLM logs a whole traceback in one line; its beginning says what happened.
LONGEST_LINE = 240


@operation()
def prove(rack: Rack, always: bool = False) -> Generator[Carry]:
    """Send real requests; a host whose proof fails has failed.

    + rack: the host
    + always: also when nothing has changed since the last proof
    """
    stack = rack.run.declared.stack
    if not is_engine(stack, rack.host) and not rack.host.groups & {GATEWAY_GROUP, MONITOR_GROUP}:
        this_host.noop("nothing runs here")
        return
    if rack.refused:
        this_host.noop("the host was refused")
        return
    try:
        proven = rack.proof.change(rack.look(), ()) is None
    except PyinfraError as error:
        reason = str(error)
        count_in_plan(rack, failed=True)
        yield Carry(rack, lambda rack: _unseen(rack, reason))
        return
    changing = bool(rack.all_changes)
    if not (always or changing or rack.run.changed or not proven):
        this_host.noop("proven before, and nothing has changed since (verify.py proves it again)")
        if rack.state.is_executing:
            _report(rack.state).remember(rack)
        return
    yield Carry(rack, _prove)


def _unseen(rack: Rack, reason: str) -> bool:
    rack.say(f"not proven: {reason}", logger.error)
    return False


def _prove(rack: Rack) -> bool:
    shell(rack, Shell(f"rm -f {rack.proof.path}"))
    # The requests need httpx, which costs 0.2 s to import; a run that changes nothing does without.
    from llmrack.deploy.proof.requests import ask

    with signs_of_life(rack.pyinfra_host, "Proof"):
        results = ask(rack)
    _report(rack.state).add(rack, results)
    failed = [result for result in results if not result.ok]
    for result in failed:
        say(
            rack.pyinfra_host,
            f"not proven: {result.subject} {result.check}: {result.detail}",
            logger.error,
        )
    if failed:
        for line in _journal(rack):
            rack.say(f"journal: {line}", logger.error)
        return False
    return not shell(rack, rack.proof.write)


def _report(state: State) -> ReportAtEnd:
    """The run's one report."""
    for handler in state.callback_handlers:
        if isinstance(handler, ReportAtEnd):
            return handler
    handler = ReportAtEnd()
    state.callback_handlers.append(handler)
    return handler


def _journal(rack: Rack) -> list[str]:
    """The last lines of the units' journals, redacted."""
    units = units_of_instances(rack.run.declared.stack, rack.host)
    units += [service(colour) for colour in COLOURS]
    fields = " ".join(f"_SYSTEMD_USER_UNIT={unit}" for unit in units)
    # Requests that went well explain nothing.
    command = (
        f"journalctl -q --no-pager -o short-iso -n 300 {fields} | "
        "grep -v -e '\" 200 ' -e '| 200 |' | tail -n 15"
    )
    answer = run(rack.pyinfra_host, StringCommand(command))
    secrets = dict(rack.run.declared.secrets)
    return [redact(line, secrets)[:LONGEST_LINE] for line in answer.output.output_lines]


class ReportAtEnd(BaseStateCallback):
    """Collects the hosts' results and shows them together when the operation has ended."""

    def __init__(self) -> None:
        self._results: list[Result] = []
        self._standins: set[str] = set()
        self._remembered: Rack | None = None
        self._done: set[str] = set()
        self._started = datetime.now(UTC)

    def add(self, rack: Rack, results: list[Result]) -> None:
        """Note what one host's proof found."""
        self._results += results
        self._standins |= set(rack.pyinfra_host.data.get("lab_standins") or ())
        self._remembered = rack

    def remember(self, rack: Rack) -> None:
        """Note that a host was proven in an earlier run."""
        self._remembered = rack

    def operation_host_success(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0
    ) -> None:
        """Show the table when this was the last host."""
        self._ended(state, host)

    def operation_host_error(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        """The same for a host whose proof failed."""
        self._ended(state, host)

    def _ended(self, state: State, host: Host) -> None:
        # Not operation_end: pyinfra skips it when every host has failed.
        self._done.add(str(host.name))
        if self._done >= {str(active.name) for active in state.inventory.get_active_hosts()}:
            self._show(state)

    def _show(self, state: State) -> None:
        """This run's table, or the one of the run that proved what is still there."""
        rack, self._remembered = self._remembered, None
        if rack is None:
            return
        folder = Path(state.cwd or ".")
        if not self._results:
            proof = last_whole_proof(folder)
            if proof and proof.digest == rack.run.digest:
                click.echo(f"\nNothing has changed since this was proven:\n{proof.text}")
            return
        # It needs rich, which costs 20 ms to import; a run that changes nothing does without.
        from llmrack.verify.report import table

        report, standins = self._finish(state), sorted(self._standins)
        text = f"Proven at {self._started:%Y-%m-%d %H:%M} UTC:\n\n{table(report, standins)}"
        asked, fleet = {result.host for result in report.results}, state.inventory
        is_whole = report.ok and asked >= {host.name for host in fleet}
        whole = WholeProof(rack.run.digest, text) if is_whole else None
        keep_proof(folder, report, standins, whole)
        if path := os.environ.get(REPORT_FILE):
            Path(path).write_text(as_json(report, standins), encoding="utf-8")
            return
        click.echo("\n" + text)

    def _finish(self, state: State) -> Report:
        asked = {result.host for result in self._results}
        failed = tuple(
            f"{host.name}: it failed before"
            for host in sorted(state.failed_hosts, key=lambda host: str(host.name))
            if host.name not in asked
        )
        order = {host.name: number for number, host in enumerate(state.inventory)}
        results = sorted(self._results, key=lambda result: order.get(result.host, 0))
        return Report(tuple(results), self._started, failed)
