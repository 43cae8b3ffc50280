"""The base of the hosts: one for each release of Debian, built when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llmrack_lab import base
from llmrack_lab.shell import silent


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The suites that were built; debootstrap is left out."""
    suites: list[str] = []

    def build(argv: list[Any], *_: object, **__: object) -> None:
        suites.append(argv[argv.index("sh", argv.index("-c")) + 3])

    monkeypatch.setattr(base, "stream", build)
    return suites


def test_a_base_is_built_once(tmp_path: Path, built: list[str]) -> None:
    made = base.ensure_base(tmp_path, silent)
    assert base.ensure_base(tmp_path, silent) == made
    assert built == ["bookworm"]


def test_each_release_of_debian_has_a_base_and_none_displaces_another(
    tmp_path: Path, built: list[str]
) -> None:
    first = base.ensure_base(tmp_path, silent)
    second = base.ensure_base(tmp_path, silent, "trixie")
    assert first != second and first.is_dir() and second.is_dir()
    assert base.ensure_base(tmp_path, silent) == first
    assert built == ["bookworm", "trixie"]


def test_a_base_of_another_recipe_goes_unless_a_lab_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, unnamed = base.ensure_base(tmp_path, silent), tmp_path / "base-0123456789ab"
    unnamed.mkdir()
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "base").symlink_to(old)
    monkeypatch.setattr(base, "INCLUDE", "less")
    newer = base.ensure_base(tmp_path, silent)
    assert old.is_dir() and not unnamed.exists()
    (tmp_path / "demo" / "base").unlink()
    monkeypatch.setattr(base, "INCLUDE", "still less")
    newest = base.ensure_base(tmp_path, silent)
    assert {newest} == set(tmp_path.glob("base-*")) and newest != newer
