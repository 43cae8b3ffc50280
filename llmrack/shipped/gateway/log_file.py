"""A log file that grows while requests are served; no request waits for it or fails because of it.

A thread of its own writes. A file that is too large, or of another day (UTC), is renamed to
NAME-20261121T152529.123Z.jsonl, after the time of the renaming. Old files are removed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

LOG = logging.getLogger("llmrack.log_file")
# Apart from LiteLLM's, whose level is warnings.
LOG.propagate = False
LOG.addHandler(logging.StreamHandler(sys.stderr))

# Bytes after which a file is put aside.
LARGEST = 64 * 2**20
# Bytes that what was put aside may take, the newest first; 0: as many as there are.
MOST = int(os.environ.get("LLMRACK_LOG_BYTES") or 0)
# Lines that may wait for a slow disk; further ones are lost.
MOST_WAITING = 100_000
DAY = 86_400.0


# Every file of this process.
_files: list[LogFile] = []


class LogFile:
    """Lines of JSON, readable by their owner alone.

    + path: NAME.jsonl; it is made when the first line is written
    + days: how long what was put aside is kept
    """

    def __init__(self, path: Path, days: float) -> None:
        self._path = path
        self._days = days
        self._waiting: queue.Queue[bytes | threading.Event] = queue.Queue(MOST_WAITING)
        self._lost = 0
        self._why = ""
        self._cut = False
        _files.append(self)
        threading.Thread(target=self._run, name=path.name, daemon=True).start()

    def add(self, **fields: Any) -> None:  # noqa: ANN401  (what JSON can hold)
        """Have a line written, with the time of now before everything else."""
        line = json.dumps({"time": stamp("-", ":"), **fields}, separators=(",", ":")) + "\n"
        try:
            self._waiting.put_nowait(line.encode())
        except queue.Full:
            self._lose(1, "the disk does not answer")

    def flush(self, seconds: float) -> None:
        """Wait until everything that was added is written, or ``seconds`` have gone by."""
        written = threading.Event()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(written)
            written.wait(seconds)

    def _run(self) -> None:
        while True:
            waiting = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(waiting) < 1000:
                    waiting.append(self._waiting.get_nowait())
            lines = [item for item in waiting if isinstance(item, bytes)]
            if lines:
                self._write(lines)
            for item in waiting:
                if isinstance(item, threading.Event):
                    item.set()

    def _write(self, lines: list[bytes]) -> None:
        # A line that was cut off for lack of room must not run into the next one.
        text = (b"\n" if self._cut else b"") + b"".join(lines)
        try:
            # Opened each time, so that the file may be renamed at any time; O_APPEND keeps lines
            # whole when two releases write.
            self._put_aside_if_due(len(text))
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                written = os.write(file, text)
            finally:
                os.close(file)
        except OSError as error:
            self._lose(len(lines), str(error.strerror))
            return
        self._cut = written < len(text)
        if self._cut:
            self._lose(text[written:].count(b"\n"), "no space left on device")
        elif self._lost:
            LOG.warning("requests are noted again: %s; %d were lost", self._path, self._lost)
            self._lost, self._why = 0, ""

    def _lose(self, lines: int, reason: str) -> None:
        self._lost += lines
        if reason != self._why:
            LOG.error("requests are not noted: %s: %s", self._path, reason)
        self._why = reason

    def _put_aside_if_due(self, size: int) -> None:
        """Rename the file if it is too large or of another day, and remove old ones then."""
        with contextlib.suppress(FileNotFoundError):
            file = self._path.stat()
            of_today = int(file.st_mtime // DAY) == int(time.time() // DAY)
            aside = self._path.with_name(f"{self._path.stem}-{stamp()}.jsonl")
            due = file.st_size and (file.st_size + size > LARGEST or not of_today)
            if not due or aside.exists():
                return
            self._path.rename(aside)
        taken = 0
        for old in sorted(self._path.parent.glob(f"{self._path.stem}-*.jsonl"), reverse=True):
            with contextlib.suppress(FileNotFoundError):
                found = old.stat()
                taken += found.st_size
                is_old = time.time() - found.st_mtime > self._days * DAY
                if is_old or (MOST and taken > MOST):
                    old.unlink(missing_ok=True)


def flush_all(seconds: float) -> None:
    """Wait until everything that was added is written; at most ``seconds`` for each file."""
    for file in _files:
        file.flush(seconds)


def stamp(dash: str = "", colon: str = "") -> str:
    """The current time in UTC (ISO 8601, with milliseconds), with these between its parts."""
    now = datetime.now(timezone.utc)
    form = f"%Y{dash}%m{dash}%dT%H{colon}%M{colon}%S"
    return f"{now.strftime(form)}.{now.microsecond // 1000:03d}Z"
