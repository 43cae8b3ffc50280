"""Files that are replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmrack import files
from llmrack.files import replace_file, replacement


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("old")
    return tmp_path / "a"


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_the_mode_does_not_depend_on_the_umask(file: Path, mode: int, mask: int) -> None:
    before = os.umask(mask)
    try:
        replace_file(file, "new", mode)
    finally:
        os.umask(before)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", mode)


def test_it_is_closed_until_it_is_whole_and_the_old_one_stays_meanwhile(file: Path) -> None:
    with replacement(file, 0o644) as beside:
        assert (beside.parent, beside.stat().st_mode & 0o777) == (file.parent, 0o600)
        beside.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"


def test_an_interrupt_leaves_the_old_file_and_nothing_beside(file: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacement(file, 0o644) as beside:
        beside.write_text("ne")
        raise KeyboardInterrupt
    assert [(entry.name, entry.read_text()) for entry in file.parent.iterdir()] == [("a", "old")]


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_beside(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(file, "new", 0o644)
    assert [(entry.name, entry.read_text()) for entry in file.parent.iterdir()] == [("a", "old")]


def test_text_is_written_in_utf_8_and_bytes_as_they_are(file: Path) -> None:
    replace_file(file, "ä\n", 0o644)
    assert file.read_bytes() == b"\xc3\xa4\n"
    replace_file(file, b"\xff\r\n", 0o644)
    assert file.read_bytes() == b"\xff\r\n"
