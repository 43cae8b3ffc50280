"""A gateway's logs, read on its host from a moment on.

It is sent to hosts: Python 3.10 and its standard library. ``shipped/gateway/log_file.py`` writes
``NAME.jsonl``, and renames it to ``NAME-20261121T152529.123Z.jsonl``: no line in it is younger.
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

# Of what is not JSON it raises ValueError. ``json.loads`` does the same at more than its cost.
decode = JSONDecoder().raw_decode
# Bytes that are not worth another step of the search for a moment.
NEAR = 1 << 16
# Lines come in the order of their times, but for what processes that write at once differ by.
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
    # It may be renamed at any time, so it is open before names are looked at.
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
    """None where there is no such file: old ones are removed at any time, too."""
    with suppress(FileNotFoundError):
        return path.open("rb")
    return None


def beginning(file: BinaryIO, since: str) -> int:
    """The byte from which on a line may be younger than a moment; found by halving."""
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
