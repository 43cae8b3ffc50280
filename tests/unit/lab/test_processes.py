"""Processes are known by their mark, and nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrack_lab import processes
from llmrack_lab.shell import wait_until
from tests import DEADLINE


@pytest.fixture
def lab_id() -> Iterator[str]:
    name = f"test{os.getpid()}"
    yield name
    processes.kill(name)


def start(lab_id: str, role: str, folder: Path) -> processes.Process:
    processes.start(["sleep", "60"], lab_id=lab_id, role=role, log=folder / "log")
    processes_: list[processes.Process] = []

    def is_there() -> bool:
        processes_[:] = processes.find(lab_id, role)
        return bool(processes_)

    assert wait_until(is_there, DEADLINE)
    return processes_[0]


def test_a_process_is_found_by_lab_and_role(lab_id: str, tmp_path: Path) -> None:
    first, second = start(lab_id, "one", tmp_path), start(lab_id, "second", tmp_path)
    assert processes.find(lab_id, "one") == [first]
    assert sorted(process.role for process in processes.find(lab_id)) == ["one", "second"]
    assert second.pid != first.pid


def test_kill_returns_when_the_role_is_gone_and_spares_the_others(
    lab_id: str, tmp_path: Path
) -> None:
    start(lab_id, "one", tmp_path)
    two = start(lab_id, "two", tmp_path)
    processes.kill(lab_id, "one")
    assert processes.find(lab_id) == [two]


def test_a_recycled_process_id_gets_no_signal(lab_id: str, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        remembered = processes.Process(stranger.pid, "one")
        assert processes.send(remembered, lab_id, signal.SIGKILL) is None
        assert stranger.poll() is None
        stranger.kill()


def test_a_mark_that_only_begins_the_same_is_another_labs(lab_id: str, tmp_path: Path) -> None:
    start(lab_id, "one", tmp_path)
    assert processes.find(lab_id[:-1]) == []


def test_the_own_network_namespace_is_never_taken_for_a_labs() -> None:
    assert processes.inside(Path("/proc/self/ns/net")) == []
