"""Errors of commands say what happened; long commands say where they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llmrack_lab import needs, shell
from llmrack_lab.shell import LabError, run, stream, wait_until


def test_a_failing_command_is_told_with_its_code_and_last_words() -> None:
    with pytest.raises(LabError, match="failed with exit code 3: last words"):
        run(["sh", "-c", "echo last words >&2; exit 3"])


def test_a_missing_command_is_named() -> None:
    with pytest.raises(LabError, match="`no-such-command` is not on this machine"):
        run(["no-such-command"])


def test_a_command_that_hangs_is_ended() -> None:
    with pytest.raises(LabError, match="did not end within 0 s"):
        run(["sleep", "60"], timeout=0.1)


def test_a_long_command_is_never_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "TALK_EVERY", 0.05)
    lines: list[str] = []
    stream(["sh", "-c", "echo step; sleep 0.3"], lines.append, title="it", log=tmp_path / "log")
    assert len(lines) >= 2
    assert all(line.startswith("it (") and line.endswith(": step") for line in lines)


def test_a_long_command_that_fails_is_told_from_its_log(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="exit code 1: broken"):
        stream(["sh", "-c", "echo broken; exit 1"], print, title="it", log=tmp_path / "log")


def test_waiting_ends_with_its_deadline() -> None:
    assert not wait_until(lambda: False, 0.1, every=0.01)


def test_missing_packages_are_named_without_apt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "_find", lambda command: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"no apt-get here: .*systemd-container"):
        needs.install_missing(print, tmp_path / "log")


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root: use sudo"):
        needs.require_root()


# With gevent, which llmrack brings into the process, a folder that is closed stays open until
# gevent's loop runs.
REMOVE = """
from gevent import monkey
monkey.patch_all()
import pathlib, resource, sys, time
from llmrack_lab.shell import remove_folder
time.sleep(0)
folder = pathlib.Path(sys.argv[1])
for number in range(100):
    (folder / str(number)).mkdir(parents=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
remove_folder(folder)
assert not folder.exists()
"""


def test_a_folder_is_removed_that_has_more_folders_than_a_process_may_open(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", REMOVE, str(tmp_path / "lab")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
