"""``tests/unit`` has the folders of llmrack, and those of llmrack_lab in ``lab``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ROOT

UNIT = ROOT / "tests" / "unit"
# Of no package: pages of docs, and what a contributor runs.
OTHERS = ("docs", "tools")
FOLDERS = sorted({path.parent.relative_to(UNIT) for path in UNIT.rglob("test_*.py")} - {Path()})


def subject_of(folder: Path) -> Path:
    """What the tests in a folder are about."""
    if folder.parts[0] in OTHERS:
        return ROOT / folder
    if folder.parts[0] == "lab":
        return ROOT / "llmrack_lab" / folder.relative_to("lab")
    return ROOT / "llmrack" / folder


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_the_folder_is_that_of_what_is_tested(folder: Path) -> None:
    assert subject_of(folder).is_dir()
    assert (UNIT / folder / "__init__.py").exists(), "names of modules repeat"
