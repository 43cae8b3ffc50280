"""Live lines at the terminal's foot, below pyinfra's log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column
from typing_extensions import override

# Seconds between two drawings.
FRAME = 0.1
# Columns from which on there is room for a bar.
WIDE = 100


class _Above(FileProxy):
    """A stream whose lines appear above the live ones.

    pyinfra's spinner writes a line without an end and the code that clears it, again and again;
    the live lines take its place.
    """

    # Without these click goes round it, to the stream behind (click 8.5, _stream_is_misconfigured).
    encoding = "utf-8"
    errors = "replace"

    @override
    def write(self, text: str) -> int:
        spins = text.endswith("\r") or text == "\033[K"
        return len(text) if spins else super().write(text)


class Screen:
    """The terminal behind standard error; it shows a line for each transfer under way."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._drawn = 0.0

    @property
    def is_capable(self) -> bool:
        """Whether lines can be redrawn there."""
        return self._console.is_terminal and not self._console.is_dumb_terminal

    @contextmanager
    def line(self, host: str, what: str) -> Iterator[Callable[[int, int], None]]:
        """A line that goes when the transfer ends; yields what is told bytes so far and in all."""
        task: TaskID | None = None

        def draw(have: int, whole: int) -> None:
            nonlocal task
            progress = self._start()
            if task is None:
                # What is there already says nothing about the rate.
                task = progress.add_task(what, total=whole or None, completed=have, host=host)
            progress.update(task, completed=have, total=whole or None)
            if time.monotonic() - self._drawn >= FRAME:
                self._drawn = time.monotonic()
                progress.refresh()

        try:
            yield draw
        finally:
            if task is not None and self._progress:
                self._progress.remove_task(task)
                self._stop_if_idle(self._progress)

    def _start(self) -> Progress:
        if self._progress is None:
            # The numbers are what a narrow terminal has room for; a long name is cut.
            name = Column(ratio=1, no_wrap=True, overflow="ellipsis")
            bar = (BarColumn(bar_width=20),) if self._console.width >= WIDE else ()
            self._progress = Progress(
                TextColumn(
                    "    {task.fields[host]} {task.description}", markup=False, table_column=name
                ),
                *bar,
                TextColumn("{task.percentage:>3.0f}%"),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(compact=True),
                console=self._console,
                expand=True,
                transient=True,
                # Drawn when there is something new: a thread that draws would come between.
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._progress.start()
            # An interrupt ends the process at once; the cursor must not stay hidden then.
            self._console.show_cursor(True)
            sys.stdout = _Above(self._console, sys.stdout)
            sys.stderr = _Above(self._console, sys.stderr)
        return self._progress

    def _stop_if_idle(self, progress: Progress) -> None:
        if progress.tasks:
            return progress.refresh()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
        sys.stderr = getattr(sys.stderr, "rich_proxied_file", sys.stderr)
        progress.stop()
        self._progress = None
        return None
