"""What a run is refused for before it connects to any host."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

HOST = ("box1", {"ssh_hostname": "192.0.2.1", "ssh_key": "nowhere/id"})


def refused(folder: Path, inventory: str, *options: str) -> str:
    """What a run prints that ends before it connects to a host."""
    (folder / "inventory").write_text(inventory)
    program = Path(sys.executable).parent / "pyinfra"
    done = subprocess.run(
        [program, folder / "inventory", "deploy.py", "--dry", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_a_key_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    output = refused(tmp_path, f"gpu = [{HOST!r}]\n")
    assert (
        "the inventory's host box1 has the ssh_key nowhere/id, and there is no such file" in output
    )
    assert "Traceback" not in output


@pytest.mark.parametrize("password", ["s3same", "s3same's", 's3same\'s \\ "own"'])
def test_debug_prints_no_password(tmp_path: Path, password: str) -> None:
    names = ("_sudo_password", "_su_password", "ssh_password")
    (tmp_path / "group_data").mkdir()
    lines = "".join(f"{name} = {password!r}\n" for name in names)
    (tmp_path / "group_data" / "gpu.py").write_text(lines)
    output = refused(tmp_path, f"gpu = [{HOST!r}]\n", "--debug")
    assert "'_sudo_password': '*MASKED*', '_su_password': '*MASKED*'" in output
    assert "s3same" not in output
