"""The picture of llmrack.observe.report.graph as SVG, drawn without any other program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from llmrack.observe.report.graph import DESCRIPTION, TITLE, Row, places, rows, where
from llmrack.stack.fleet import Fleet
from llmrack.stack.schema import Stack

# Pixels: the height of a line, and the width of a character of a name and of smaller text in the
# monospaced fonts that are asked for (0.6 of their sizes), rounded up.
_LINE, _CHARACTER, _SMALL = 17, 8, 7
_GAP, _PADDING, _MARGIN, _WIDE = 14, 9, 20, 560
# Each rule begins with the drawing's class: within a page it leaves other drawings alone.
_STYLE = """
.graph text{font:13px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}
.graph .small{font-size:11px;fill:#57606a}
.graph .head{font-weight:600}
.graph rect{fill:#f6f8fa;stroke:#8c959f}
.graph .page{fill:#fff;stroke:none}
.graph .name{fill:#ddf4ff;stroke:#0969da}
.graph .off{stroke-dasharray:4 3}
.graph line,.graph path{stroke:#57606a;fill:none}
@media screen and (prefers-color-scheme:dark){
.graph text{fill:#e6edf3}
.graph .small{fill:#9198a1}
.graph rect{fill:#21262d;stroke:#6e7681}
.graph .page{fill:#0d1117}
.graph .name{fill:#0c2d6b;stroke:#4493f8}
.graph line,.graph path{stroke:#9198a1}
}
"""


@dataclass(frozen=True)
class _Box:
    """Lines of text with a frame; the first one is the name."""

    lines: tuple[str, ...]
    style: str = ""

    @property
    def width(self) -> int:
        small = max((len(line) for line in self.lines[1:]), default=0) * _SMALL
        return max(len(self.lines[0]) * _CHARACTER, small) + 2 * _PADDING

    @property
    def height(self) -> int:
        return len(self.lines) * _LINE + _PADDING

    def at(self, x: int, y: int, width: int = 0, height: int = 0) -> Iterator[str]:
        """Its elements, with the upper left corner at ``x`` and ``y``, as large as its text."""
        style = f' class="{self.style}"' if self.style else ""
        width, height = width or self.width, height or self.height
        yield f'<rect{style} x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
        for number, line in enumerate(self.lines):
            yield _text(x + _PADDING, y + (number + 1) * _LINE, line, "small" if number else "")


def svg(stack: Stack, fleet: Fleet) -> str:
    """A self-contained drawing: a row for each name, and the providers below.

    Solid arrows lead to the models asked at first, dashed ones to the following.
    """
    drawn: list[str] = []
    at = where(stack, fleet)
    heads = [(row, _head(row, at)) for row in rows(stack)]
    column = _MARGIN + max(head.width for _, head in heads)
    wide, y = 0, _MARGIN
    for row, head in heads:
        steps, right, bottom = _steps(row, at, column, y)
        bottom = max(bottom, y + head.height)
        drawn += [*steps, *head.at(_MARGIN, y, column - _MARGIN, bottom - y if row.at_first else 0)]
        wide, y = max(wide, right), bottom + _GAP
    y += _LINE + _GAP
    drawn.append(_text(_MARGIN, y - _GAP, "Where they run", "head"))
    x, bottom = _MARGIN, y
    for place in places(stack, fleet):
        box = _Box((place.title, *place.lines), "" if place.enabled else "off")
        if x > _MARGIN and x + box.width > max(wide, _WIDE):
            x, y = _MARGIN, bottom + _GAP
        drawn += box.at(x, y)
        wide, bottom = max(wide, x + box.width), max(bottom, y + box.height)
        x += box.width + _GAP
    description = " ".join(_sentence(row) for row, _ in heads)
    return _page(wide + _MARGIN, bottom + _MARGIN, drawn, description)


def _sentence(row: Row) -> str:
    """A row in words, for those who cannot see the drawing."""
    when = f" when {row.when}" if row.when else ""
    steps = ", ".join(" ".join(filter(None, step)) for step in row.steps)
    return f"{row.name}{when}: {steps or 'nobody else'}."


def _steps(row: Row, at: Mapping[str, str], x: int, y: int) -> tuple[list[str], int, int]:
    """A row's arrows and boxes from ``x`` and ``y`` on, and where they end."""
    drawn: list[str] = []
    bottom = y
    # Models that share requests are below each other, the others follow to the right.
    first, later = row.steps[: row.at_first], row.steps[row.at_first :]
    for part in filter(None, (first, *((step,) for step in later))):
        boxes = [(label, _Box((to, at[to]) if to in at else (to,))) for label, to in part]
        end = x + max(len(label) for label, _ in boxes) * _SMALL + 2 * _GAP
        width, top = max(box.width for _, box in boxes), y
        for label, box in boxes:
            drawn += [*_arrow(x, end, top + 14, label, part is first), *box.at(end, top, width)]
            top += box.height + _GAP
        x, bottom = end + width, max(bottom, top - _GAP)
    return drawn, x, bottom


def _page(width: int, height: int, drawn: Sequence[str], description: str) -> str:
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-labelledby="title description">'
    )
    parts = (
        opening,
        f'<title id="title">{TITLE}</title>',
        f'<desc id="description">{DESCRIPTION} {escape(description)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{width}" height="{height}"/>',
        *drawn,
        "</svg>",
    )
    return "\n".join(parts) + "\n"


def _head(row: Row, at: Mapping[str, str]) -> _Box:
    notes = [f"when {row.when}"] if row.when else [*row.notes]
    if row.name in at and not row.when:
        notes.insert(0, at[row.name])
    return _Box((row.name, *notes), "name off" if "not served" in notes else "name")


def _text(x: int, y: int, text: str, style: str = "") -> str:
    attribute = f' class="{style}"' if style else ""
    return f'<text{attribute} x="{x}" y="{y}">{escape(text)}</text>'


def _arrow(start: int, end: int, y: int, label: str, at_first: bool) -> Iterator[str]:
    dashes = "" if at_first else ' stroke-dasharray="4 3"'
    yield f'<line x1="{start}" y1="{y}" x2="{end}" y2="{y}"{dashes}/>'
    yield f'<path d="M{end - 6} {y - 4}L{end} {y}L{end - 6} {y + 4}"/>'
    if label:
        yield _text(start + _GAP, y - 4, label, "small")
