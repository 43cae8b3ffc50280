"""Every example of a declaration in README and docs holds together."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import trustme
import yaml

from llmrack.kube.settings import Kube
from llmrack.observe.report.graph_svg import svg
from llmrack.site.litellm_names import unknown_names
from llmrack.site.secret_names import secret_names
from llmrack.stack.checks.checks import check
from llmrack.stack.load import load_settings, load_stack
from llmrack.stack.ollama.names import without_cloud
from llmrack_lab.standins.cloud import MODELS
from tests import ROOT
from tests.unit.declare import declaration, two_boxes

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
    if shown.keys() & {"gateway", "engines"}:
        # Of kube.yaml; a whole digest is too long for a page.
        Kube.model_validate(yaml.safe_load(re.sub("sha256:[0-9a-f]+…", f"sha256:{'0' * 64}", text)))
        return
    whole = shown | {part: rest | shown.get(part, {}) for part, rest in REST.items()}
    path = tmp_path / "stack.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "office-ca.pem"))
    stack, _ = load_stack(path)
    whole_declaration = declaration(stack, secrets=secret_names(stack))
    assert check(whole_declaration) == []
    assert unknown_names(whole_declaration, None) == []


# Of Ollama's docs/cloud.mdx, in August 2026.
RETIRED = re.compile(
    r"(deepseek-v3\.[12]|qwen3-coder|kimi-k2(:|-thinking|\.5)|glm-(4\.[67]|5[-:])|minimax-m2(\.[15])?[-:])"
    r"\S*cloud"
)


@pytest.mark.parametrize("page", [ROOT / "stack.yaml", *PAGES], ids=lambda page: page.name)
def test_what_ships_names_no_cloud_model_that_is_retired(page: Path) -> None:
    assert not RETIRED.search(page.read_text())


def test_the_clouds_stand_in_has_every_cloud_model_that_is_named() -> None:
    text = "".join(page.read_text() for page in (ROOT / "stack.yaml", *PAGES))
    named = set(re.findall(r"\b[a-z][\w.-]*:(?:[\w.]+-)?cloud\b", text)) - {"ollama:cloud"}
    assert {without_cloud(name) for name in named} <= {model.name for model in MODELS}


def test_picture_of_the_routing_page_is_that_of_its_stack(tmp_path: Path) -> None:
    page = ROOT / "docs" / "routing.md"
    shown = re.search(r"^```yaml\n(.*?)^```.*?!\[.*?\]\((.*?)\)", page.read_text(), re.M | re.S)
    assert shown
    (tmp_path / "stack.yaml").write_text(shown[1])
    stack, _ = load_stack(tmp_path / "stack.yaml")
    # Draw it anew: `llmrack graph --format svg` with this stack and the inventory as shipped.
    assert (page.parent / shown[2]).read_text() == svg(stack, two_boxes())


@pytest.mark.parametrize("text", examples("python"))
def test_example_of_settings_holds_together(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.py"
    path.write_text(text)
    shown = {key: value for key, value in runpy.run_path(str(path)).items() if key[0] != "_"}
    settings = load_settings("box1", shown)
    assert set(shown) <= settings.model_fields_set
