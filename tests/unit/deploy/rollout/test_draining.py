"""The script that tells a gateway of an instance that gets no new requests, and its answer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llmrack.deploy.rollout.draining import AWAKE, HOLDS, IDLE
from llmrack.resources.script import script_file

UNITS = ("llmrack-gateway@blue.service", "llmrack-gateway@green.service")
# Blue is process 11, green does not run.
SYSTEMCTL = "#!/bin/sh\ncase $* in *blue*) echo 11;; *) echo 0;; esac\n"


def tell(folder: Path, *words: str | int) -> subprocess.CompletedProcess[str]:
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    return subprocess.run(
        ["sh", "-c", script_file("deploy/tell-drained.sh", *words)],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service user's runtime directory with a gateway."""
    (tmp_path / "llmrack" / "drained").mkdir(parents=True)
    return tmp_path


def test_what_is_told_holds_for_a_while(folder: Path) -> None:
    assert tell(folder, "box.1", HOLDS).returncode == 0
    up = float(Path("/proc/uptime").read_text().split()[0])
    until = int((folder / "llmrack" / "drain" / "box.1").read_text())
    assert up + HOLDS - 30 < until <= up + HOLDS
    assert [each.name for each in (folder / "llmrack").iterdir()] in (
        ["drain", "drained"],
        ["drained", "drain"],
    )


def test_a_host_without_a_gateway_has_nothing_to_tell(tmp_path: Path) -> None:
    done = tell(tmp_path, "box.1", HOLDS, IDLE, 1, *UNITS)
    assert (done.returncode, done.stdout) == (0, "")
    assert not (tmp_path / "llmrack").exists()


@pytest.mark.parametrize(
    ("answer", "wanted", "said"),
    [
        ("box.1 0 well", IDLE, ""),
        ("box.1 3 well", IDLE, "3\n"),
        ("box.1 3 well", AWAKE, ""),
        ("box.1 0 resting", AWAKE, "0\n"),
        # Another instance, whose name differs where this one has a dot.
        ("boxx1 0 well", IDLE, "none\n"),
        ("", IDLE, "none\n"),
    ],
)
def test_what_a_gateway_answers_is_told_unless_it_is_wanted(
    folder: Path, answer: str, wanted: str, said: str
) -> None:
    (folder / "llmrack" / "drained" / "11").write_text(f"{answer}\n")
    done = tell(folder, "box.1", HOLDS, wanted, 1, *UNITS)
    assert (done.returncode, done.stdout) == (0, said)
