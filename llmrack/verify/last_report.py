"""The report of the last proof, kept beside the inventory, and the last one of the whole fleet."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from llmrack.files import replace_file
from llmrack.verify.report_json import as_plain, from_json
from llmrack.verify.results import Report

KEPT = Path(".llmrack/proof.json")
# Where the table of the last proof of the whole fleet was kept before 2026-12.
_BEFORE = Path(".llmrack/proof.txt")


class WholeProof(NamedTuple):
    """A proof that the whole fleet has passed.

    + digest: of the declaration that it proves, see ``Run.digest``
    + text: its time and table, as they were shown: to draw the table again would take a run without
      changes 60 ms for four hosts
    """

    digest: str
    text: str


def keep_proof(
    folder: Path, report: Report, standins: list[str], whole: WholeProof | None = None
) -> None:
    """Keep ``report`` in place of the one before, 0600: it has hosts' names and answers.

    + standins: names of a lab's stand-ins for real servers
    + whole: the same proof, if it is one of the whole fleet; None keeps the last one that was
    """
    file = folder / KEPT
    file.parent.mkdir(exist_ok=True)
    whole = whole or last_whole_proof(folder)
    content = as_plain(report, standins) | {"whole": whole._asdict() if whole else None}
    replace_file(file, json.dumps(content, indent=2) + "\n", 0o600)
    (folder / _BEFORE).unlink(missing_ok=True)


def last_proof(folder: Path) -> tuple[Report, list[str]] | None:
    """The last report, and the stand-ins' names; None if there is none, or it is damaged."""
    try:
        return from_json((folder / KEPT).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def last_whole_proof(folder: Path) -> WholeProof | None:
    """The last proof of the whole fleet; None if there is none, or it is damaged."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return WholeProof(**json.loads((folder / KEPT).read_text(encoding="utf-8"))["whole"])
    return None
