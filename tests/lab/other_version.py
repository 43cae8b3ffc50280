"""Another version of this project, which a test deploys."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.lab.site import ROOT


def other_version(folder: Path) -> Path:
    """A folder for PYTHONPATH whose templates and shipped programs may be edited."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "templates", folder / "templates")
    package = folder / "llmrack"
    package.mkdir()
    # llmrack reads what goes to hosts beside its own modules; the modules themselves stay the same.
    for path in (ROOT / "llmrack").iterdir():
        if path.name == "shipped":
            shutil.copytree(path, package / path.name)
        else:
            (package / path.name).symlink_to(path)
    return folder


def edit(file: Path, old: str, new: str) -> None:
    """Replace ``old``, which has to be there."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
