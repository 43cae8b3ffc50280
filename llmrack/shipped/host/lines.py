"""Reads a gateway's logs on its host, from a moment on.

It is sent to hosts: Python 3.10 and its standard library. ``shipped/gateway/log_file.py`` writes
``NAME.jsonl``, and renames it to ``NAME-20261121T152529.123Z.jsonl``, after the last line's time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from io import TextIOWrapper
from json import JSONDecoder
from pathlib import Path
from typing import BinaryIO, TextIO

# Raises ValueError for other text than JSON. ``json.loads`` does the same, but takes longer.
decode = JSONDecoder().raw_decode
# Bytes within which the search for a moment ends.
NEAR = 1 << 16
# Lines are in the order of their times, but two processes that write at once may differ by this.
SLACK = timedelta(seconds=60)
_TIME = re.compile(rb'"time": ?"([^"]{24})"')


def logs(folder: str, name: str, since: str) -> Iterator[TextIO]:
    """The text of ``files``, from near the moment on; each is closed before the next one."""
    for file in files(folder, name, since):
        file.seek(beginning(file, since))
        with TextIOWrapper(file, encoding="utf-8", errors="replace", newline="\n") as text:
            yield text


def files(folder: str, name: str, since: str) -> Iterator[BinaryIO]:
    """The files ``name*.jsonl`` that may have lines since a moment, oldest first.

    + since: as lines have it, ``2026-11-21T15:25:29.123Z``
    """
    # The current file may be renamed at any time, so it is opened before the names are listed.
    current = opened(Path(folder, f"{name}.jsonl"))
    compact = since.replace("-", "").replace(":", "")
    for path in sorted(Path(folder).glob(f"{name}-*.jsonl")):
        file = opened(path) if path.stem[len(name) + 1 :] >= compact else None
        if file and current and os.path.sameopenfile(file.fileno(), current.fileno()):
            file.close()
        elif file:
            yield file
    if current:
        yield current


def opened(path: Path) -> BinaryIO | None:
    """The open file; None if there is none: old files are removed at any time."""
    with suppress(FileNotFoundError):
        return path.open("rb")
    return None


def beginning(file: BinaryIO, since: str) -> int:
    """The byte before which all lines are older than a moment, by binary search."""
    moment = datetime.fromisoformat(since[:23]) - SLACK
    wanted = moment.isoformat(timespec="milliseconds").encode()
    # Before low all lines are older.
    low, high = 0, os.fstat(file.fileno()).st_size
    while high - low > NEAR:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        begin = file.tell()
        time = _TIME.search(file.readline())
        if time and time[1] < wanted:
            low = begin
        else:
            high = middle
    return low
