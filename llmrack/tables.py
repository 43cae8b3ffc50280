"""Tables and sentences as they are printed: 80 columns of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 80


def columns(words: Sequence[str], numbers: Sequence[str]) -> Table:
    """A table with these heads; columns of words give way to those of numbers."""
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for head in words:
        table.add_column(head, overflow="fold")
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def printed(*parts: RenderableType) -> str:
    """The parts one below the other, as plain text; no line ends in blanks.

    + parts: tables, and sentences as ``str``, of which rich interprets nothing
    """
    file = StringIO()
    console = Console(file=file, width=WIDTH, color_system=None, highlight=False)
    for part in parts:
        console.print(Text(part) if isinstance(part, str) else part)
    lines = file.getvalue().strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
