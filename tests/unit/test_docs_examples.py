"""Every example of a declaration in README and docs holds together."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml

from llmrack.stack.checks import check
from llmrack.stack.load import load_settings, load_stack
from tests.unit.declare import declaration

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What an example leaves out.
REST = {
    "providers": {"local": {"kind": "ollama"}, "cloud": {"kind": "ollama-cloud"}},
    "models": {"gemma3": {"provider": "local"}, "gpt-oss:20b-cloud": {"provider": "cloud"}},
}


def examples(language: str) -> list[object]:
    """The blocks in ``language``, each called by page and line."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for block in re.finditer(rf"^```{language}\n(.*?)^```", text, re.M | re.S):
            line = text.count("\n", 0, block.start()) + 1
            found.append(pytest.param(block[1], id=f"{page.name}:{line}"))
    return found


@pytest.mark.parametrize("text", examples("yaml"))
def test_example_of_a_stack_holds_together(text: str, tmp_path: Path) -> None:
    shown = yaml.safe_load(text)
    whole = shown | {part: rest | shown.get(part, {}) for part, rest in REST.items()}
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    stack, _ = load_stack(path)
    assert check(declaration(stack)) == []


@pytest.mark.parametrize("text", examples("python"))
def test_example_of_settings_holds_together(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.py"
    path.write_text(text)
    shown = {key: value for key, value in runpy.run_path(str(path)).items() if key[0] != "_"}
    settings = load_settings("box1", shown)
    assert set(shown) <= settings.model_fields_set
