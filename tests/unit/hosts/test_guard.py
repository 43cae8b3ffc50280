"""What a run is refused for before it connects to any host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import ROOT


def test_a_key_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    host = ("box1", {"ssh_hostname": "192.0.2.1", "ssh_key": "nowhere/id"})
    (tmp_path / "inventory").write_text(f"gpu = [{host!r}]\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "pyinfra", tmp_path / "inventory", "deploy.py", "--dry"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "the inventory's host box1 has the ssh_key nowhere/id, and there is no such file" in said
    assert "Traceback" not in said
