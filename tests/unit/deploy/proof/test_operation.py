"""What is kept of a proof beside the inventory, for the next run and for pages."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmrack.deploy.proof.operation import ReportAtEnd
from llmrack.verify.last_report import KEPT, last_proof
from llmrack.verify.results import Result

BOX = SimpleNamespace(name="box1", data=SimpleNamespace(get=lambda name: ()))


class Inventory(list[SimpleNamespace]):
    def get_active_hosts(self) -> list[SimpleNamespace]:
        return self[:1]


def run(folder: Path, results: list[Result], *others: SimpleNamespace) -> None:
    """The end of a run's proof of box1; without results, of a run that proves nothing again.

    + others: hosts of the inventory that the run leaves out
    """
    inventory = Inventory([BOX, *others])
    state = SimpleNamespace(cwd=str(folder), inventory=inventory, failed_hosts=set())
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
    file = tmp_path / KEPT
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("ok", [True, False])
def test_a_proof_of_a_part_and_one_that_fails_are_not_shown_again(
    ok: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [SimpleNamespace(name="box2")] if ok else []
    run(tmp_path, [Result("box1", "a model", "chat", ok)], *others)
    capsys.readouterr()
    run(tmp_path, [])
    assert capsys.readouterr().out == ""
    assert last_proof(tmp_path) is not None
