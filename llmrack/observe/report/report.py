"""Asks all hosts for the report, and writes its page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from llmrack.files import replace_file
from llmrack.hosts.asking import Gateways
from llmrack.observe.report.page import Findings, page
from llmrack.observe.requests.on_host import ask_log
from llmrack.observe.requests.usage import ask_usages
from llmrack.observe.status.asking import status_of
from llmrack.verify.last_report import last_proof

FILE = "index.html"
# In this order they stand on the page.
BY = ("model", "provider", "instance", "key")


def ask_report(gateways: Gateways, folder: Path, last: timedelta) -> Findings:
    """Ask all hosts for their state, and all gateways for the requests of two periods.

    + gateways: of an inventory
    + folder: the inventory's, with the last proof
    + last: the length of a period; the second one precedes it
    """
    status = status_of(gateways)
    asked = partial(ask_log, gateways)
    usage = ask_usages(asked, last, BY)
    before = ask_usages(asked, last, BY[:1], until=usage[BY[0]].since)[BY[0]]
    proof, standins = last_proof(folder) or (None, [])
    site = gateways.declared
    now = datetime.now(UTC)
    return Findings(now, site.stack, site.fleet, status, usage, before, proof, tuple(standins))


def write_report(findings: Findings, folder: Path) -> Path:
    """Write the page into ``folder``, in place of an older one; returns the file.

    All users may read it: it names hosts and models, and holds no secret. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    # Replaced, not rewritten: no reader ever sees half of it.
    replace_file(file, page(findings), 0o644)
    return file
