"""The table of faults: what it is written from, and that it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.faults import table
from tests.lab.faults.table import PAGE, ROOT


@pytest.mark.parametrize("module", sorted((ROOT / "tests/lab/faults").glob("test_*.py")))
def test_every_module_of_faults_is_in_the_table(module: Path) -> None:
    assert f"`{module.relative_to(ROOT)}`" in PAGE.read_text()


def test_what_was_noted_replaces_the_tables_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(table, "NOTED", tmp_path / "noted")
    monkeypatch.setattr(table, "PAGE", tmp_path / "page.md")
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/unit/test_fault_table.py::a[b c] (call)")
    table.PAGE.write_text(f"before\n{table.BEGIN}old\n{table.END}after\n")
    table.record("a | b", "it stands", "so it does", 1.25)
    table.record("another", "nothing", "nothing")
    table.main()
    text = table.PAGE.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "### The table of faults: what it is written from, and that it is whole\n" in text
    assert "| a \\| b | it stands | so it does | 1.2 s |" in text
    assert "| another | nothing | nothing | - |" in text
