"""What a lab writes down before it makes something."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llmrack_lab.owned import BOOT_ID, Owned, locked
from llmrack_lab.shell import LabError, wait_until
from tests import DEADLINE


def test_a_name_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    Owned(tmp_path / "made").add("bridge", "lr-x")
    assert Owned(tmp_path / "made").has("bridge", "lr-x")


def test_names_keep_their_order_and_are_there_once(tmp_path: Path) -> None:
    owned = Owned(tmp_path / "made")
    for name in ("b", "a", "b"):
        owned.add("netns", name)
    assert owned.names("netns") == ["b", "a"]


def test_entries_of_an_earlier_boot_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("earlier bridge lr-x\n")
    assert not Owned(tmp_path / "made").has("bridge", "lr-x")


def test_a_line_that_a_crash_cut_short_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "made").write_text(f"{BOOT_ID.read_text().strip()} brid")
    assert Owned(tmp_path / "made").names("brid") == []


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    lines: list[str] = []
    entered = threading.Event()

    def second() -> None:
        with locked(tmp_path / "lock", lines.append):
            entered.set()

    with locked(tmp_path / "lock", lines.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert wait_until(lambda: bool(lines), DEADLINE)
        assert not entered.is_set()
    thread.join(5)
    assert entered.is_set()


def test_waiting_for_a_lock_ends_with_an_error(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", print),
        pytest.raises(LabError, match="lock is held by another lab command"),
        locked(tmp_path / "lock", print, deadline=0.1),
    ):
        pass


def test_a_killed_holder_frees_its_lock(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from llmrack_lab.owned import locked\n"
        "with locked(Path(sys.argv[1]), print):\n    print('held', flush=True); input()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stdin=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        with locked(tmp_path / "lock", print, deadline=5):
            pass


def test_a_lock_file_may_be_removed_by_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", print):
        (tmp_path / "lock").unlink()
        with locked(tmp_path / "lock", print, deadline=1):
            assert (tmp_path / "lock").exists()
