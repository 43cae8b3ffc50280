"""What a unit waits for before it starts, on a host without cards of NVIDIA."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llmrack.components.render import render


def wait(folder: Path, rocm: bool) -> subprocess.CompletedProcess[str]:
    """Run the script on a host whose /dev is in ``folder``; it waits for no second."""
    script = render("gpu/wait-for-gpu.j2", deadline=0, rocm=rocm)
    script = script.replace("/dev/", f"{folder}/dev/").replace("/sys/", f"{folder}/sys/")
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("rocm", "device", "reason"),
    [
        (True, "kfd", "/dev/kfd cannot be read by"),
        (False, "dri/renderD128", "/dev/dri/renderD* can be opened by"),
    ],
)
def test_it_waits_for_the_device_file_of_the_library(
    tmp_path: Path, rocm: bool, device: str, reason: str
) -> None:
    done = wait(tmp_path, rocm)
    assert done.returncode == 1 and reason in done.stderr
    file = tmp_path / "dev" / device
    file.parent.mkdir(parents=True)
    file.touch()
    assert wait(tmp_path, rocm).returncode == 0
    assert wait(tmp_path, not rocm).returncode == 1
