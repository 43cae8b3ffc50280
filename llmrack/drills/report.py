"""Drills in words: the intended breakages, and the measurements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from llmrack.drills.asking import AGAIN, BACK, PLAIN, STREAM, steps
from llmrack.drills.plan import Cause, Drill, Plan, paid_requests
from llmrack.stack.schema import Stack
from llmrack.tables import printed
from llmrack.verify.report_json import as_json
from llmrack.verify.results import Report, Result

# Longer names are wrapped.
NAME_WIDTH = 18
NUMBER_WIDTH = 6
# Seconds of a drill beyond its deadline: breaking, asking, restoring, and the way back.
OVERHEAD = 6.0
_LEGEND = (
    "stream: slowest first token while it was lost; plain: slowest whole answer; again: first "
    "token of the next request; back: until it answered again.\n"
)
_HOW = {
    Cause.STOPPED: "its unit is stopped, then started",
    Cause.FROZEN: "its processes are halted, then go on",
    Cause.CUT_OFF: "{gateway} drops what its gateway sends there",
    Cause.REFUSED: "{gateway} resets what its gateway sends there",
    Cause.KILLED: "its pod is ended within a second; Kubernetes makes it anew",
}


def intention(stack: Stack, plans: Sequence[Plan]) -> str:
    """The drills that a person is asked to agree to; 80 columns of plain text."""
    parts: list[RenderableType] = []
    for plan in plans:
        if plan.drills:
            parts.append(f"Through the gateway on {plan.gateway.name}, one after the other:")
            parts.append(_intended(plan.drills))
        for instance, alone in plan.alone:
            parts.append(f"Not broken: {instance}. Nobody stands in for {', '.join(alone)}.")
    drills = [drill for plan in plans for drill in plan.drills]
    if not drills:
        return printed(*parts)
    for drill in {drill.instance: drill for drill in drills if drill.alone}.values():
        names = ", ".join(drill.alone)
        parts.append(f"While {drill.instance} is lost nobody answers: {names}.")
    seconds = sum(max(asked.deadline for asked in drill.asked) + OVERHEAD for drill in drills)
    seconds += sum(
        drill.gateway.settings.gateway_cooldown for drill in drills if _unwatched(stack, drill)
    )
    for plan in plans:
        for provider, requests in paid_requests(stack, plan).items():
            parts.append(
                f"Paid requests: about {requests} to {provider}, through {plan.gateway.name}."
            )
    parts.append(
        "What is under way on an instance when it is lost breaks off. Each is restored before "
        "the next one is lost, also by its host alone if this command does not live to do it. "
        f"All of it takes about {_duration(seconds)}."
    )
    return printed(*parts)


def _intended(drills: Sequence[Drill]) -> Table:
    drawn = _table()
    drawn.add_column("instance", overflow="fold")
    drawn.add_column("is", overflow="fold")
    drawn.add_column("by", overflow="fold")
    drawn.add_column("asked meanwhile", overflow="fold")
    for drill in drills:
        drawn.add_row(
            Text(drill.instance),
            str(drill.cause),
            Text(_HOW[drill.cause].format(gateway=drill.gateway.name)),
            Text(", ".join(asked.name for asked in drill.asked)),
        )
    return drawn


def drill_table(report: Report, plans: Sequence[Plan], standins: Sequence[str] = ()) -> str:
    """A row for each cause and name, then the reasons of what failed; 80 columns of plain text."""
    parts: list[RenderableType] = []
    for plan in plans:
        results = [result for result in report.results if result.host == plan.gateway.name]
        if any(": " in result.check for result in results):
            parts += [_measured(plan, results), _LEGEND]
    same: dict[tuple[str, str], list[str]] = {}
    for result in report.failed:
        place = f"{result.host}: {result.subject} on {result.instance}"
        same.setdefault((place, result.detail), []).append(result.check)
    for (place, detail), checks in same.items():
        parts.append(f"FAILED {place} ({', '.join(checks)}): {detail}")
    parts += [f"NOT DRILLED {reason}" for reason in report.not_run]
    parts += [f"no stand-in declared: {name} on {instance}" for name, instance in _alone(plans)]
    if standins:
        names = ", ".join(standins)
        parts.append(
            f"Lab stand-ins, not the real thing: {names}. How fast they are proves nothing."
        )
    proven = len(report.results) - len(report.failed)
    return printed(*parts, f"{proven} of {len(report.results)} checks proven.")


def drill_json(report: Report, plans: Sequence[Plan], standins: Sequence[str] = ()) -> str:
    """The report for programs, with the names without a stand-in."""
    plain = json.loads(as_json(report, standins))
    plain["no_standin"] = [{"name": name, "instance": instance} for name, instance in _alone(plans)]
    return json.dumps(plain, indent=2)


def _alone(plans: Iterable[Plan]) -> list[tuple[str, str]]:
    """Names without a stand-in, with the instance whose loss leaves them without an answer."""
    pairs: dict[tuple[str, str], None] = {}
    for plan in plans:
        for drill in plan.drills:
            pairs |= dict.fromkeys((name, drill.instance) for name in drill.alone)
        for instance, names in plan.alone:
            pairs |= dict.fromkeys((name, instance) for name in names)
    return list(pairs)


def _measured(plan: Plan, results: Sequence[Result]) -> Table:
    drawn = _table(f"{plan.gateway.name}: while an instance is lost")
    drawn.add_column("lost", overflow="fold")
    longest = max(len(asked.name) for drill in plan.drills for asked in drill.asked)
    drawn.add_column("asked", overflow="fold", width=min(longest, NAME_WIDTH))
    drawn.add_column("answered by", overflow="fold")
    for heading in (STREAM, PLAIN, AGAIN, BACK):
        drawn.add_column(heading, justify="right", overflow="fold", width=NUMBER_WIDTH)
    for drill in plan.drills:
        for asked in drill.asked:
            by_step = {
                step: result
                for cause, step, result in steps(results)
                if (cause, result.instance, result.subject)
                == (drill.cause, drill.instance, asked.name)
            }
            if by_step:
                drawn.add_row(
                    Text(drill.title),
                    Text(asked.name),
                    Text(_who(by_step.values())),
                    *(_seconds(by_step.get(step)) for step in (STREAM, PLAIN, AGAIN, BACK)),
                )
    return drawn


def _who(results: Iterable[Result]) -> str:
    words = "answered by "
    names = (
        result.detail.removeprefix(words) for result in results if result.detail.startswith(words)
    )
    return "\n".join(sorted(set(names)))


def _seconds(result: Result | None) -> str:
    if result is None:
        return ""
    if not result.ok:
        return "FAILED"
    value = result.first_token or result.latency
    if value is None:
        return ""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def _unwatched(stack: Stack, drill: Drill) -> bool:
    return not stack.providers[drill.asked[0].lost[0].provider].health_check


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _table(title: str | None = None) -> Table:
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
