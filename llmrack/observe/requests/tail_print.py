"""A request as a line or two of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmrack.observe.figures import short
from llmrack.observe.requests.tail import Line
from llmrack.tables import WIDTH
from llmrack.verify.results import one_line

KEY, WHO = 8, 31
HEAD = (
    f"{'time UTC'} {'key':{KEY}} {'model → who answered':{WHO}} "
    f"code {'in':>5} {'out':>5} {'first':>6} {'took':>6}"
)
# Where a second line begins.
_INDENT = " " * (8 + 1 + KEY + 1)


def rows(line: Line) -> Iterator[str]:
    """A line for a request, and a second one for failed attempts or another model.

    Times are in seconds: to the first token, and to the end.
    """
    answered = _fit(line.get("model"), WHO - 12)
    if line.get("instance"):
        answered += f" → {one_line(line['instance'])}"
    if line.get("error"):
        answered += f" ✗ {line['error']}"
    yield (
        f"{line['time'][11:19]} {_fit(line.get('key'), KEY):{KEY}} {_fit(answered, WHO):{WHO}} "
        f"{line.get('status') or '':>4} {_tokens(line, 'input')} {_tokens(line, 'output')} "
        f"{_seconds(line.get('first_token'))} {_seconds(line.get('duration'))}"
    )
    notes = [f"{attempt['instance']}: {attempt['error']}" for attempt in line.get("attempts") or ()]
    served = line.get("served")
    if served and served != line.get("model"):
        notes.insert(0, f"answered by {served}")
    if notes:
        yield _INDENT + _fit("; ".join(notes), WIDTH - len(_INDENT))


def _fit(text: object, width: int) -> str:
    """A text cut to ``width`` columns; clients make up names of models."""
    line = one_line(str(text)) if text is not None else "–"  # noqa: RUF001  (as in figures)
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _tokens(line: Line, kind: str) -> str:
    return f"{short(line.get(f'{kind}_tokens') or 0).replace(' ', ''):>5}"


def _seconds(value: Any) -> str:  # noqa: ANN401  (JSON)
    if value is None:
        return " " * 6
    return f"{value:6.2f}" if value < 999.995 else f"{value:6.0f}"
