"""A report for programs, as JSON. Imports nothing that takes long: every run may read one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from llmrack.verify.results import Report, Result


def as_json(report: Report, standins: Sequence[str] = ()) -> str:
    """The report as one JSON object; times in seconds.

    + standins: names of a lab's stand-ins for real servers
    """
    return json.dumps(as_plain(report, standins), indent=2)


def as_plain(report: Report, standins: Sequence[str]) -> dict[str, Any]:
    """The object that ``as_json`` writes."""
    return {
        "ok": report.ok,
        "exit_code": report.exit_code,
        "started_at": report.started_at.isoformat(),
        "standins": list(standins),
        "not_run": list(report.not_run),
        "results": [asdict(result) for result in report.results],
    }


def from_json(text: str) -> tuple[Report, list[str]]:
    """The report and the names of the stand-ins in a text of ``as_json``.

    Raises ValueError, TypeError and KeyError for anything else.
    """
    data = json.loads(text)
    results = tuple(Result(**result) for result in data["results"])
    started = datetime.fromisoformat(data["started_at"])
    return Report(results, started, tuple(data["not_run"])), data["standins"]
