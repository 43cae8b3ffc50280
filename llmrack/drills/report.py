"""A drill in words: what will be broken, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmrack.drills.asking import AGAIN, BACK, PLAIN, STREAM, steps
from llmrack.drills.plan import Cause, Drill, Plan, paid_requests
from llmrack.stack.schema import Stack
from llmrack.verify.report_json import as_json
from llmrack.verify.results import Report, Result

WIDTH = 80
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
}


def intention(stack: Stack, plans: Sequence[Plan]) -> str:
    """What a person is asked to agree to; 80 columns of plain text."""
    console = _console()
    for one in plans:
        if one.drills:
            console.print(Text(f"Through the gateway on {one.gateway.name}, one after the other:"))
            console.print(_intended(one.drills))
        for instance, alone in one.alone:
            console.print(Text(f"Not broken: {instance}. Nobody stands in for {', '.join(alone)}."))
    drills = [drill for one in plans for drill in one.drills]
    if not drills:
        return _text(console)
    for drill in {drill.instance: drill for drill in drills if drill.alone}.values():
        names = ", ".join(drill.alone)
        console.print(Text(f"While {drill.instance} is lost nobody answers: {names}."))
    seconds = sum(max(a.deadline for a in drill.asked) + OVERHEAD for drill in drills)
    seconds += sum(
        one.gateway.settings.gateway_cooldown
        for one in plans
        for drill in one.drills
        if _unwatched(stack, drill)
    )
    for one in plans:
        for provider, requests in paid_requests(stack, one).items():
            console.print(
                Text(f"Paid requests: about {requests} to {provider}, through {one.gateway.name}.")
            )
    console.print(
        Text(
            "What is under way on an instance when it is lost breaks off. Each is restored before "
            "the next one is lost, also by its host alone if this command does not live to do it. "
            f"All of it takes about {_duration(seconds)}."
        )
    )
    return _text(console)


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
            Text(", ".join(each.name for each in drill.asked)),
        )
    return drawn


def drill_table(report: Report, plans: Sequence[Plan], standins: Sequence[str] = ()) -> str:
    """A row for each cause and name, then the reasons of what failed; 80 columns of plain text."""
    console = _console()
    for one in plans:
        results = [each for each in report.results if each.host == one.gateway.name]
        if any(": " in each.check for each in results):
            console.print(_measured(one, results))
            console.print(Text(_LEGEND))
    same: dict[tuple[str, str], list[str]] = {}
    for result in report.failed:
        place = f"{result.host}: {result.subject} on {result.instance}"
        same.setdefault((place, result.detail), []).append(result.check)
    for (place, detail), checks in same.items():
        console.print(Text(f"FAILED {place} ({', '.join(checks)}): {detail}"))
    for reason in report.not_run:
        console.print(Text(f"NOT DRILLED {reason}"))
    for name, instance in _alone(plans):
        console.print(Text(f"no stand-in declared: {name} on {instance}"))
    if standins:
        names = ", ".join(standins)
        console.print(
            Text(f"Lab stand-ins, not the real thing: {names}. How fast they are proves nothing.")
        )
    proven = len(report.results) - len(report.failed)
    console.print(Text(f"{proven} of {len(report.results)} checks proven."))
    return _text(console)


def drill_json(report: Report, plans: Sequence[Plan], standins: Sequence[str] = ()) -> str:
    """The report for programs, with the names that nobody stands in for."""
    found = json.loads(as_json(report, standins))
    found["no_standin"] = [{"name": name, "instance": instance} for name, instance in _alone(plans)]
    return json.dumps(found, indent=2)


def _alone(plans: Iterable[Plan]) -> list[tuple[str, str]]:
    """Names that nobody answers while an instance is lost, with that instance."""
    found: dict[tuple[str, str], None] = {}
    for one in plans:
        for drill in one.drills:
            found |= dict.fromkeys((name, drill.instance) for name in drill.alone)
        for instance, names in one.alone:
            found |= dict.fromkeys((name, instance) for name in names)
    return list(found)


def _measured(one: Plan, results: Sequence[Result]) -> Table:
    drawn = _table(f"{one.gateway.name}: while an instance is lost")
    drawn.add_column("lost", overflow="fold")
    longest = max(len(asked.name) for drill in one.drills for asked in drill.asked)
    drawn.add_column("asked", overflow="fold", width=min(longest, NAME_WIDTH))
    drawn.add_column("answered by", overflow="fold")
    for heading in (STREAM, PLAIN, AGAIN, BACK):
        drawn.add_column(heading, justify="right", overflow="fold", width=NUMBER_WIDTH)
    for drill in one.drills:
        for asked in drill.asked:
            its = {
                step: result
                for cause, step, result in steps(results)
                if (cause, result.instance, result.subject)
                == (drill.cause, drill.instance, asked.name)
            }
            if its:
                drawn.add_row(
                    Text(drill.title),
                    Text(asked.name),
                    Text(_who(its.values())),
                    *(_seconds(its.get(step)) for step in (STREAM, PLAIN, AGAIN, BACK)),
                )
    return drawn


def _who(results: Iterable[Result]) -> str:
    words = "answered by "
    found = (each.detail.removeprefix(words) for each in results if each.detail.startswith(words))
    return "\n".join(sorted(set(found)))


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


def _console() -> Console:
    return Console(file=StringIO(), width=WIDTH, color_system=None, highlight=False)


def _text(console: Console) -> str:
    file = console.file
    assert isinstance(file, StringIO)  # noqa: S101  (given above)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
