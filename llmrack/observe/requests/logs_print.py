"""Writes the failures as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from llmrack.observe.broken_units import BrokenUnit
from llmrack.observe.exit_codes import FINE, NOT_ASKED
from llmrack.observe.figures import count, seconds
from llmrack.observe.requests.logs import Logs, PutAside
from llmrack.observe.requests.usage import stamp
from llmrack.tables import columns, printed
from llmrack.verify.results import one_line

# Characters of a name that are shown; clients make up names of models.
LONGEST = 40


def exit_code(logs: Logs) -> int:
    """2 when a gateway could not be asked, else 0."""
    return NOT_ASKED if logs.unreached else FINE


def as_text(logs: Logs) -> str:
    """The groups of failures, at 80 columns; times in UTC."""
    since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in (logs.since, logs.until))
    lines = [f"requests from {since} to {until} UTC: {count(logs.calls)}"]
    if logs.all_well:
        lines.append("nothing went wrong")
    if logs.units:
        lines.append("\nunits that cannot start; llmrack status may say why")
        lines += [line for unit in logs.units for line in _unit(unit)]
    if logs.errors:
        lines.append("\nerrors, by class and instance")
        table = columns(["error", "instance"], ["attempts", "requests", "last"])
        for failure in logs.errors:
            instance = failure.instance or "(the gateway)"
            numbers = (count(failure.attempts), count(failure.requests), _moment(failure.last))
            table.add_row(*map(Text, (failure.error, instance, *numbers)))
        lines.append(printed(table))
    if logs.chains:
        lines.append("\nchains that fired")
        table = columns(["asked for", "answered by", "because of"], ["requests"])
        for fired in logs.chains:
            cells = (_name(fired.asked), _name(fired.served), fired.error or "not noted")
            table.add_row(*map(Text, (*cells, count(fired.requests))))
        lines.append(printed(table))
    if logs.aside:
        lines.append("\ninstances that were put aside")
        lines += [line for rest in logs.aside for line in _rest(rest)]
    if logs.slowest:
        lines.append("\nslowest requests")
        table = columns(["model", "answered by", "key"], ["status", "ended", "took"])
        for line in logs.slowest:
            who = line["instance"] or line["error"] or "nobody"
            words = (_name(line["model"]), who, _name(line["key"]))
            numbers = (str(line["status"]), _moment(line["time"]), seconds(line["duration"]))
            table.add_row(*map(Text, (*words, *numbers)))
        lines.append(printed(table))
    if logs.damaged:
        lines.append(f"not counted, since they cannot be read: {logs.damaged} lines")
    lines += [f"{host} could not be asked: {why}" for host, why in logs.unreached.items()]
    lines += [
        f"{host} could not be asked for its units: {why}"
        for host, why in logs.units_unknown.items()
    ]
    return "\n".join(line.removesuffix("\n") for line in lines) + "\n"


def as_json(logs: Logs) -> str:
    """The same for programs; times in seconds."""
    times = {"since": stamp(logs.since), "until": stamp(logs.until)}
    return json.dumps({"exit_code": exit_code(logs)} | asdict(logs) | times, indent=2)


def _unit(unit: BrokenUnit) -> Iterator[str]:
    times = f", restarted {count(unit.restarts)} times" if unit.restarts else ""
    yield f"  {unit.host} {unit.unit}: {unit.state}{times}"
    yield from (f"    {line}" for line in unit.journal)


def _rest(rest: PutAside) -> Iterator[str]:
    subject = f"{rest.instance} {rest.model}".strip()
    until = f"back after {seconds(rest.seconds)}" if rest.seconds is not None else rest.now
    yield f"  {_moment(rest.time)}  {subject}, by {rest.gateway}: {one_line(rest.why)}"
    yield f"                  {until}"


def _name(name: str | None) -> str:
    return one_line(name, LONGEST) if name else "(none)"


def _moment(time: str) -> str:
    """Month, day and time, without the year."""
    return time[5:19].replace("T", " ")
