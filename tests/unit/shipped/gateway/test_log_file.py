"""Files of lines that rotate and never stop who adds to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from llmrack.shipped.gateway import log_file

YESTERDAY = time.time() - log_file.DAY


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob("requests-*.jsonl"))


def test_lines_stand_in_their_order_readable_by_their_owner_alone(tmp_path: Path) -> None:
    file = log_file.LogFile(tmp_path / "requests.jsonl", 30)
    for number in range(3000):
        file.add(number=number)
    file.flush(10)
    entries = lines(tmp_path / "requests.jsonl")
    assert [line["number"] for line in entries] == list(range(3000))
    assert sorted(line["time"] for line in entries) == [line["time"] for line in entries]
    assert (tmp_path / "requests.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_large_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LARGEST", 1000)
    file = log_file.LogFile(tmp_path / "requests.jsonl", 30)
    for number in range(100):
        file.add(number=number)
        # Each of them in a write of its own.
        file.flush(10)
    entries = [line["number"] for path in aside(tmp_path) for line in lines(path)]
    entries += [line["number"] for line in lines(tmp_path / "requests.jsonl")]
    assert entries == list(range(100))
    assert len(aside(tmp_path)) >= 2
    # Two in one millisecond would have one name: then the second one waits.
    assert all(path.stat().st_size < 2000 for path in tmp_path.iterdir())


def test_what_was_put_aside_takes_no_more_than_it_may_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LARGEST", 1000)
    monkeypatch.setattr(log_file, "MOST", 3000)
    file = log_file.LogFile(tmp_path / "requests.jsonl", 30)
    for number in range(300):
        file.add(number=number)
        file.flush(10)
    entries = [line["number"] for path in aside(tmp_path) for line in lines(path)]
    assert entries == list(range(entries[0], entries[-1] + 1)) and entries[0] > 0
    assert sum(path.stat().st_size for path in aside(tmp_path)) <= 3000


def test_a_file_of_yesterday_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text('{"number": 0}\n')
    os.utime(path, (YESTERDAY, YESTERDAY))
    file = log_file.LogFile(path, 30)
    file.add(number=1)
    file.flush(10)
    (old,) = aside(tmp_path)
    assert lines(old) == [{"number": 0}]
    assert [line["number"] for line in lines(path)] == [1]


def test_what_is_too_old_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name, days in (("requests-1", 31), ("requests-2", 29), ("events-1", 31)):
        old = tmp_path / f"{name}.jsonl"
        old.write_text("{}\n")
        os.utime(old, (time.time() - days * log_file.DAY,) * 2)
    file = log_file.LogFile(tmp_path / "requests.jsonl", 30)
    file.add()
    file.flush(10)
    assert {path.name for path in tmp_path.iterdir()} == {
        "requests.jsonl",
        "requests-2.jsonl",
        "events-1.jsonl",
    }


def test_a_full_disk_is_said_once_and_its_end_with_what_was_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "requests.jsonl"
    path.symlink_to("/dev/full")
    log_file.LOG.addHandler(caplog.handler)
    file = log_file.LogFile(path, 30)
    for _ in range(3):
        file.add()
        file.flush(10)
    path.unlink()
    file.add(number=4)
    file.flush(10)
    log_file.LOG.removeHandler(caplog.handler)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        f"requests are not noted: {path}: No space left on device",
        f"requests are noted again: {path}; 3 were lost",
    ]
    assert [line["number"] for line in lines(path)] == [4]


# Threads are real in a process of its own alone: pyinfra has gevent replace them here.
HELD_UP = """
import os, sys
from pathlib import Path
from llmrack.shipped.gateway import log_file
log_file.MOST_WAITING = 10
path = Path(sys.argv[1])
# Opening it waits for a reader.
os.mkfifo(path)
file = log_file.LogFile(path, 30)
for number in range(100):
    file.add(number=number)
reader = os.open(path, os.O_RDONLY)
file.flush(10)
print(os.read(reader, 100_000).decode(), end="")
"""


def test_who_adds_does_not_wait_for_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELD_UP, str(tmp_path / "requests.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line)["number"] for line in done.stdout.splitlines()]
    assert 0 < len(lines) < 100
    assert lines[0] == 0 and lines == sorted(lines)
    assert done.stderr.count("the disk does not answer") == 1
