"""What is kept of a proof beside the inventory, for the next run and for pages."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmrack.deploy.proof.operation import KEPT, ReportAtEnd
from llmrack.verify.last_report import KEPT as KEPT_REPORT
from llmrack.verify.results import Result

BOX = SimpleNamespace(name="box1", data=SimpleNamespace(get=lambda name: ()))


class Inventory(list[SimpleNamespace]):
    def get_active_hosts(self) -> list[SimpleNamespace]:
        return self


def run(folder: Path, results: list[Result]) -> None:
    """The end of a run's proof; without results, of a run that proves nothing again."""
    state = SimpleNamespace(cwd=str(folder), inventory=Inventory([BOX]), failed_hosts=set())
    rack = SimpleNamespace(pyinfra_host=BOX, run=SimpleNamespace(digest="d1"))
    report = ReportAtEnd()
    if results:
        report.add(rack, results)
    else:
        report.remember(rack)
    report.operation_host_success(state, BOX, "")


def test_the_last_proof_is_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, [Result("box1", "a model", "chat", True, "it answered")])
    first = capsys.readouterr().out
    run(tmp_path, [])
    again = capsys.readouterr().out
    assert "Nothing has changed since this was proven:" in again
    assert again.partition("proven:\n")[2].strip() == first.strip()


def test_what_is_kept_is_the_users_own(tmp_path: Path) -> None:
    """It names hosts and what they answered."""
    before = os.umask(0o022)
    try:
        run(tmp_path, [Result("box1", "a model", "chat", True, "it answered")])
    finally:
        os.umask(before)
    modes = {file: (tmp_path / file).stat().st_mode & 0o777 for file in (KEPT, str(KEPT_REPORT))}
    assert set(modes.values()) == {0o600}
    assert len(list((tmp_path / ".llmrack").iterdir())) == 2
