"""Templates are compiled once, not in each run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from llmrack.components.render import CompiledTemplates


class Counting(Environment):
    """An environment that counts what it compiles."""

    compiled = 0

    def _compile(self, source: str, filename: str) -> object:
        type(self).compiled += 1
        return super()._compile(source, filename)


def render(folder: Path, text: str) -> tuple[str, int]:
    """What a fresh environment makes of ``text``, and how many templates it has compiled."""
    Counting.compiled = 0
    loader = DictLoader({"unit": text})
    environment = Counting(loader=loader, bytecode_cache=CompiledTemplates(folder))
    return environment.get_template("unit").render(port=4000), Counting.compiled


@pytest.fixture(autouse=True)
def _may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def test_a_template_is_compiled_again_only_when_its_text_has_changed(tmp_path: Path) -> None:
    folder = tmp_path / "__pycache__"
    assert render(folder, "a {{ port }}") == ("a 4000", 1)
    assert render(folder, "a {{ port }}") == ("a 4000", 0)
    assert render(folder, "b {{ port }}") == ("b 4000", 1)


def test_a_file_that_was_cut_short_is_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "__pycache__"
    render(folder, "a {{ port }}")
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert render(folder, "a {{ port }}") == ("a 4000", 1)
    assert render(folder, "a {{ port }}") == ("a 4000", 0)


def test_a_folder_that_cannot_be_made_is_no_obstacle() -> None:
    # Not even root makes a folder there.
    assert render(Path("/proc/__pycache__"), "a {{ port }}") == ("a 4000", 1)


def test_nothing_is_kept_where_python_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    render(tmp_path / "__pycache__", "a {{ port }}")
    assert list(tmp_path.iterdir()) == []
