"""Adds up a gateway's log of requests, on its host: one pass, in memory that does not grow.

It is sent to hosts: Python 3.10 and its standard library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from llmrack.shipped.host.lines import decode, logs
from llmrack.shipped.host.sketch import Counts, merge, step

# Most names of one grouping: clients make up names of models.
NAMES = 500
# All others together.
REST = ""


class Sums:
    """The sums of requests.

    + failed: failed attempts
    + timed_tokens, timed_seconds: output tokens of requests whose speed is known, and their time
    + latency, first_token: sketches of the answered requests' seconds
    """

    __slots__ = (
        "calls",
        "cost",
        "errors",
        "failed",
        "fallbacks",
        "first_token",
        "input_tokens",
        "latency",
        "output_tokens",
        "timed_seconds",
        "timed_tokens",
    )

    def __init__(self) -> None:
        self.calls = self.fallbacks = self.failed = 0
        self.input_tokens = self.output_tokens = self.timed_tokens = 0
        self.cost = self.timed_seconds = 0.0
        self.errors: dict[str, int] = {}
        self.latency: Counts = {}
        self.first_token: Counts = {}

    def add(self, line: Mapping[str, Any]) -> None:
        """Count one request. Raises TypeError and ValueError before anything is counted."""
        get = line.get
        # Lines of older releases have a status alone.
        error = get("error") or ("other" if (get("status") or 0) >= 400 else None)
        asked, tokens, cost = (
            get("input_tokens") or 0,
            get("output_tokens") or 0,
            get("cost") or 0.0,
        )
        speed, failed = get("tokens_per_second"), len(get("attempts") or ())
        timed = tokens / speed if speed else 0.0
        further, first = (get("position") or 0) > 0, get("first_token")
        at, first_at = step(get("duration") or 0.0), None if first is None else step(first)
        if error is None:
            self.latency[at] = self.latency.get(at, 0) + 1
            if first_at is not None:
                self.first_token[first_at] = self.first_token.get(first_at, 0) + 1
            self.fallbacks += further
        else:
            self.errors[error] = self.errors.get(error, 0) + 1
        if timed:
            self.timed_tokens += tokens
            self.timed_seconds += timed
        self.calls += 1
        self.failed += failed
        self.input_tokens += asked
        self.output_tokens += tokens
        self.cost += cost

    def merge(self, more: Sums) -> None:
        """Add other sums."""
        self.calls += more.calls
        self.fallbacks += more.fallbacks
        self.failed += more.failed
        self.input_tokens += more.input_tokens
        self.output_tokens += more.output_tokens
        self.timed_tokens += more.timed_tokens
        self.cost += more.cost
        self.timed_seconds += more.timed_seconds
        for error, count in more.errors.items():
            self.errors[error] = self.errors.get(error, 0) + count
        merge(self.latency, more.latency)
        merge(self.first_token, more.first_token)

    def plain(self) -> dict[str, Any]:
        """The sums as JSON's types, whose keys are text."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {
            "latency": list(self.latency.items()),
            "first_token": list(self.first_token.items()),
        }


def from_plain(fields: Mapping[str, Any]) -> Sums:
    """The sums that ``Sums.plain`` has put into JSON's types."""
    sums = Sums()
    for name, value in fields.items():
        setattr(sums, name, value)
    sums.latency, sums.first_token = dict(fields["latency"]), dict(fields["first_token"])
    return sums


def count(folder: str, since: str, until: str, parts: int, bys: list[str]) -> dict[str, Any]:
    """The sums of the requests since a moment and before another.

    + parts: into how many the time is divided
    + bys: names of fields, or day

    Returns ``series``: sums by part; ``groups``: for each of ``bys``, pairs of a name (null: none;
    empty: all others) and sums; ``damaged``: lines that cannot be read.
    """
    begin = datetime.fromisoformat(since[:23])
    width = (datetime.fromisoformat(until[:23]) - begin).total_seconds() / parts
    # Sums of a part of the time and a name of each grouping: each line is added to one of them.
    cells: dict[tuple[Any, ...], Sums] = {}
    names: dict[str, set[str | None]] = {by: set() for by in bys}
    second, part, damaged = "", 0, 0
    for file in logs(folder, "requests", since):
        for text in file:
            try:
                line, _ = decode(text)
                time = line["time"]
                if not since <= time < until:
                    continue
                if time[:19] != second:
                    moment = datetime.fromisoformat(time[:19])
                    part = int((moment - begin).total_seconds() / width)
                    second = time[:19]
                key = (part, *[time[:10] if by == "day" else line.get(by) for by in bys])
                cell = cells.get(key)
                if cell is None:
                    key = (part, *(_known(names[by], name) for by, name in zip(bys, key[1:])))  # noqa: B905  (of one length)
                    cell = cells.setdefault(key, Sums())
                cell.add(line)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                damaged += 1
    series = _folded((key[0], cell) for key, cell in cells.items())
    groups = {
        by: [[name, sums.plain()] for name, sums in
             _folded((key[at], cell) for key, cell in cells.items()).items()]
        for at, by in enumerate(bys, 1)
    }  # fmt: skip
    # The parts are sent without first tokens, which no chart shows and which would be most of it.
    sent = [series.get(index, Sums()).plain() | {"first_token": []} for index in range(parts)]
    return {"series": sent, "groups": groups, "damaged": damaged}


def _known(names: set[str | None], name: str | None) -> str | None:
    if name not in names and len(names) >= NAMES:
        return REST
    names.add(name)
    return name


def _folded(cells: Iterable[tuple[Any, Sums]]) -> dict[Any, Sums]:
    folded: dict[Any, Sums] = {}
    for key, cell in cells:
        folded.setdefault(key, Sums()).merge(cell)
    return folded


def main(**asked: Any) -> None:  # noqa: ANN401  (JSON)
    """Print the answer as one line of JSON."""
    # Clients' requests have priority.
    os.nice(10)
    print(json.dumps(count(**asked)))
