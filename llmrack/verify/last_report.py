"""The report of the last proof, kept beside the inventory for pages that show it."""

from __future__ import annotations

from pathlib import Path

from llmrack.files import replace_file
from llmrack.verify.report import as_json, from_json
from llmrack.verify.results import Report

KEPT = Path(".llmrack/proof.json")


def keep_proof(folder: Path, report: Report, standins: list[str]) -> None:
    """Keep ``report`` in place of the one before, 0600: it names hosts and what they answered.

    + standins: names of those who answered in the place of the real ones (a lab's)
    """
    file = folder / KEPT
    file.parent.mkdir(exist_ok=True)
    replace_file(file, as_json(report, standins) + "\n", 0o600)


def last_proof(folder: Path) -> tuple[Report, list[str]] | None:
    """The report that was kept last, and the stand-ins' names; None: there is none to be read."""
    try:
        return from_json((folder / KEPT).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        return None
