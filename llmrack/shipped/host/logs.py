"""Groups the failures of a gateway on its host, in one pass over its logs.

It is sent to hosts: Python 3.10 and its standard library.
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Mapping
from typing import Any

from llmrack.shipped.host.lines import decode, logs

SLOWEST = 10
# Most chains that are told apart: clients make up names of models.
KINDS = 500
# The fields of a line that are shown.
_SHOWN = ("time", "id", "key", "model", "served", "instance", "status", "error", "duration")


class Wrong:
    """The failures of requests.

    + errors: by class and instance (null: none was asked), the numbers of failed attempts and
      requests, and the time of the last one
    + chains: numbers of requests, by the model that was asked for, the one that answered, and the
      class of the first failure
    """

    def __init__(self) -> None:
        self.calls = 0
        self.errors: dict[tuple[str, str | None], list[Any]] = {}
        self.chains: dict[tuple[str | None, str | None, str | None], int] = {}
        self.slowest: list[tuple[float, int, dict[str, Any]]] = []

    def add(self, line: Mapping[str, Any]) -> None:
        """Note one request. Raises TypeError and KeyError for a damaged line."""
        time, status = line["time"], line.get("status") or 0
        attempts = line.get("attempts") or []
        error = line.get("error") or ("other" if status >= 400 else None)
        for attempt in attempts:
            self._failed(attempt["error"], attempt["instance"], 0, time)
        if error:
            last = attempts[-1]["instance"] if attempts else None
            self._failed(error, line.get("instance") or last, 1, time)
        elif (line.get("position") or 0) > 0:
            why = attempts[0]["error"] if attempts else None
            chain = (line.get("model"), line.get("served"), why)
            if chain in self.chains or len(self.chains) < KINDS:
                self.chains[chain] = self.chains.get(chain, 0) + 1
        self.calls += 1
        duration = line.get("duration") or 0.0
        if len(self.slowest) < SLOWEST or duration > self.slowest[0][0]:
            # The number of the line, so that two of one duration need not be compared.
            entry = (duration, self.calls, {name: line.get(name) for name in _SHOWN})
            heapq.heappush(self.slowest, entry)
            if len(self.slowest) > SLOWEST:
                heapq.heappop(self.slowest)

    def _failed(self, error: str, instance: str | None, request: int, time: str) -> None:
        row = self.errors.setdefault((error, instance), [0, 0, ""])
        row[request] += 1
        row[2] = max(row[2], time)


def count(folder: str, since: str, until: str) -> dict[str, Any]:
    """The failures from a moment on and before another, as JSON's types.

    Returns ``calls``; ``errors``: class, instance, attempts, requests, last time; ``chains``: asked
    for, answered by, error, how many; ``slowest``: lines; ``rests``: events ``aside``, with
    ``seconds`` where the instance came back; ``damaged``: lines that cannot be read.
    """
    wrong = Wrong()
    damaged = 0
    for file in logs(folder, "requests", since):
        for text in file:
            try:
                line, _ = decode(text)
                if since <= line["time"] < until:
                    wrong.add(line)
            except (ValueError, KeyError, TypeError, AttributeError):
                damaged += 1
    rests, more = _rests(folder, since, until)
    slowest = sorted(wrong.slowest, key=lambda entry: -entry[0])
    return {
        "calls": wrong.calls,
        "errors": [[*kind, *row] for kind, row in wrong.errors.items()],
        "chains": [[*chain, number] for chain, number in wrong.chains.items()],
        "slowest": [line for _, _, line in slowest],
        "rests": rests,
        "damaged": damaged + more,
    }


def _rests(folder: str, since: str, until: str) -> tuple[list[dict[str, Any]], int]:
    """The rests that have not ended before a moment, and the number of damaged lines."""
    ended: list[dict[str, Any]] = []
    resting: dict[tuple[str, str], dict[str, Any]] = {}
    damaged = 0
    for file in logs(folder, "events", "0001-01-02T00:00:00.000Z"):
        for text in file:
            try:
                event, _ = decode(text)
                time, place = event["time"], (event["instance"], event.get("model") or "")
                if time >= until:
                    continue
                began = resting.pop(place, None)
                if event["event"] == "aside":
                    resting[place] = event
                elif began and time >= since:
                    ended.append({**began, "seconds": event["seconds"]})
            except (ValueError, KeyError, TypeError, AttributeError):
                damaged += 1
    return [*ended, *resting.values()], damaged


def main(**asked: Any) -> None:  # noqa: ANN401  (JSON)
    """Print the answer as one line of JSON."""
    # Clients' requests have priority.
    os.nice(10)
    print(json.dumps(count(**asked)))
