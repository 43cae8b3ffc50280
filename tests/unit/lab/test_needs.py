"""What the lab needs of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack_lab import needs


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "max_user_instances"
    monkeypatch.setattr(needs, "INOTIFY", file)
    return file


def test_a_low_limit_of_inotify_instances_is_raised_and_told(limit: Path) -> None:
    limit.write_text("128\n")
    lines: list[str] = []
    needs.allow_watching(lines.append)
    assert int(limit.read_text()) == needs.INOTIFY_INSTANCES
    assert "raised" in lines[0]


def test_a_high_limit_is_left_alone(limit: Path) -> None:
    limit.write_text("9000\n")
    lines: list[str] = []
    needs.allow_watching(lines.append)
    assert limit.read_text() == "9000\n" and lines == []


def test_a_limit_that_cannot_be_raised_is_told(limit: Path) -> None:
    lines: list[str] = []
    needs.allow_watching(lines.append)
    assert "more than 18 hosts" in lines[0]
