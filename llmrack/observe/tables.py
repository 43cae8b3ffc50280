"""Tables as they are printed: 80 columns of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 80


def columns(words: Sequence[str], numbers: Sequence[str]) -> Table:
    """A table with these heads; columns of words give way to those of numbers."""
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for head in words:
        table.add_column(head, overflow="fold")
    for head in numbers:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def printed(*tables: Table) -> str:
    """What is printed of them; no line ends in blanks."""
    console = Console(file=StringIO(), width=WIDTH, color_system=None, highlight=False)
    console.print(*tables, sep="\n")
    file = console.file
    assert isinstance(file, StringIO)  # noqa: S101  (given above)
    return "\n".join(line.rstrip() for line in file.getvalue().strip("\n").splitlines()) + "\n"
