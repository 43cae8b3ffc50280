"""Fixtures of tests without hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack.secrets import identities


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The age identity of a user with a home of his own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv(identities.VARIABLE, raising=False)
    monkeypatch.setattr(identities, "_unlocked", {})
    return identities.generate()[0]
