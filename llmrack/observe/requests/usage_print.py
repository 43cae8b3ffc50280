"""Writes the usage as text, JSON, CSV and HTML."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from html import escape
from io import StringIO
from typing import Any

from rich.text import Text

from llmrack.observe.exit_codes import FINE, NOT_ASKED
from llmrack.observe.figures import money, seconds, short
from llmrack.observe.requests.usage import Group, Spread, Usage, stamp
from llmrack.tables import WIDTH, columns, printed

# Lines of a plot.
HEIGHT = 12

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }}
body {{ margin: 2rem }} div {{ overflow-x: auto }} table {{ border-collapse: collapse }}
caption {{ text-align: left; font-weight: 600; padding-bottom: .5rem }}
th, td {{ padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8888 }}
th:first-child {{ text-align: left; white-space: nowrap }}
td {{ font-variant-numeric: tabular-nums }}
</style></head><body>
<div tabindex="0" role="region" aria-label="{title}"><table><caption>{title}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody></table></div>
{notes}
</body></html>
"""


def exit_code(usage: Usage) -> int:
    """2 when a gateway could not be asked, else 0."""
    return NOT_ASKED if usage.unreached else FINE


def as_text(usage: Usage) -> str:
    """Two tables at 80 columns, the classes of errors, and notes."""
    if not usage.total.calls:
        return "\n".join([f"no {_title(usage)}", *_notes(usage)]) + "\n"
    heads = (
        "calls",
        "errors",
        "fall-\nbacks",
        "tokens\nin",
        "tokens\nout",
        "cost",
        "tokens\nper s",
    )
    counted = columns([usage.by], heads)
    times = [f"{quantity}\np{share}" for quantity in ("latency", "first") for share in (50, 95, 99)]
    timed = columns([usage.by], times)
    for group in (*usage.groups, usage.total):
        speed = group.tokens_per_second
        numbers = (
            short(group.calls),
            short(sum(group.errors.values())),
            short(group.fallbacks),
            short(group.input_tokens),
            short(group.output_tokens),
            money(group.cost),
            "–" if speed is None else f"{speed:.1f}",  # noqa: RUF001  (as in figures)
        )
        last = group is usage.groups[-1]
        counted.add_row(*map(Text, (group.name, *numbers)), end_section=last)
        spreads = (*_spread(group.latency), *_spread(group.first_token))
        timed.add_row(*map(Text, (group.name, *map(seconds, spreads))), end_section=last)
    sentences = [
        f"errors of {group.name}: {_errors(group)}" for group in usage.groups if group.errors
    ]
    if usage.total.failed_attempts:
        sentences.append(
            f"attempts that failed: {short(usage.total.failed_attempts)}; see llmrack logs"
        )
    return "\n".join([_title(usage), printed(counted, timed), *sentences, *_notes(usage)]) + "\n"


def plots(usage: Usage) -> str:
    """Calls, errors and the 95th percentile of latency over time, as text."""
    # It is slow to import.
    import plotext  # type: ignore[import-untyped]

    ticks = range(0, len(usage.series), max(1, len(usage.series) // 5))
    drawn = []
    for title, values in (
        ("calls", [float(bucket.calls) for bucket in usage.series]),
        ("errors", [float(bucket.errors) for bucket in usage.series]),
        ("latency, p95 in seconds", [bucket.p95 or 0.0 for bucket in usage.series]),
    ):
        if not any(values):
            continue
        figure = plotext.figure
        figure.clear()
        figure.plot_size(WIDTH, HEIGHT)
        figure.title(title)
        figure.draw(figure.bar(list(range(len(values))), values, lines=False))
        figure.ruler("x").ticks(
            list(ticks), [_moment(usage.series[tick].start, usage) for tick in ticks]
        )
        figure.ruler("y").lim(0, max(values))
        drawn.append(plotext.uncolorize(str(figure.build())))
    return "\n".join(line.rstrip() for text in drawn for line in text.splitlines()) + "\n"


def as_json(usage: Usage) -> str:
    """The same for programs; times in seconds, cost in USD."""
    plain = {"exit_code": exit_code(usage)} | asdict(usage)
    return json.dumps(plain, indent=2, default=_plain)


def as_csv(usage: Usage) -> str:
    """A line for each group, with a head, without a total."""
    text = StringIO()
    rows = [_row(usage, group) for group in usage.groups]
    writer = csv.DictWriter(text, _row(usage, usage.total), lineterminator="\n")
    writer.writeheader()
    writer.writerows({head: _inert(cell) for head, cell in row.items()} for row in rows)
    return text.getvalue()


def as_html(usage: Usage) -> str:
    """A page of its own with the table."""
    groups = (*usage.groups, usage.total)
    rows = [[_cell(cell) for cell in _row(usage, group).values()] for group in groups]
    return _PAGE.format(
        title=escape(_title(usage)),
        heads="".join(
            f'<th scope="col">{escape(head.replace("_", " "))}</th>'
            for head in _row(usage, usage.total)
        ),
        rows="\n".join(
            f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
            for first, *rest in rows
        ),
        notes="\n".join(f"<p>{escape(note)}</p>" for note in _notes(usage)),
    )


def _row(usage: Usage, group: Group) -> dict[str, Any]:
    plain = asdict(group) | {
        "errors": sum(group.errors.values()),
        "error_classes": _errors(group),
    }
    del plain["name"], plain["latency"], plain["first_token"]
    spreads = {
        f"{quantity}_{name}_seconds": value
        for quantity, spread in (("latency", group.latency), ("first_token", group.first_token))
        for name, value in zip(("p50", "p95", "p99"), _spread(spread), strict=True)
    }
    return {usage.by: group.name} | {
        head: round(cell, 6) if isinstance(cell, float) else cell
        for head, cell in (plain | spreads).items()
    }


def _cell(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else escape(str(cell))


def _inert(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: clients make up names of models."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(tuple("=+-@")) else cell


def _errors(group: Group) -> str:
    return ", ".join(f"{number} {name}" for name, number in group.errors.items())


def _spread(spread: Spread | None) -> tuple[float | None, float | None, float | None]:
    return (spread.p50, spread.p95, spread.p99) if spread else (None, None, None)


def _title(usage: Usage) -> str:
    since, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in (usage.since, usage.until))
    return f"requests from {since} to {until} UTC"


def _moment(moment: datetime, usage: Usage) -> str:
    days = (usage.until - usage.since).days
    return f"{moment:%m-%d}" if days > 1 else f"{moment:%H:%M}"


def _notes(usage: Usage) -> Iterator[str]:
    if usage.damaged:
        yield f"not counted, since they cannot be read: {usage.damaged} lines of the logs"
    for host, why in usage.unreached.items():
        yield f"{host} could not be asked: {why}"


def _plain(value: object) -> str:
    assert isinstance(value, datetime)  # noqa: S101  (there is nothing else)
    return stamp(value)
