"""Files are short enough to be read at once; what imports what is held by import-linter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ROOT

PACKAGES = [ROOT / name for name in ("llmrack", "llmrack_lab")]
FILES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
