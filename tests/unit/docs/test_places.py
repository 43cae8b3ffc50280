"""Docs name files, folders and headings that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text()
TOP = ("bench", "docs", "group_data", "llmrack", "llmrack_lab", "templates", "tests", "tools")


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    found = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_folders_that_a_page_names_exist(page: Path) -> None:
    for name in re.findall(r"`([\w./*-]+)`", page.read_text()):
        if name.partition("/")[0] in TOP and "/" in name and not re.search("NAME|COMPONENT", name):
            assert list(ROOT.glob(name.removesuffix("/"))), name


def test_pictures_of_the_readme_exist() -> None:
    pictures = re.findall(r'<img src="([^"]+)"', PAGES[0].read_text())
    assert pictures and all((ROOT / each).exists() for each in pictures)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_that_a_page_links_to_exist(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text()):
        assert anchor in headings(page.parent / target if target else page), (target, anchor)


def rooms() -> dict[str, int]:
    """Each room of llmrack with its layer, from the top, as import-linter holds them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (each["layers"] for each in contracts["contracts"] if each["type"] == "layers")
    return {room: place for place, layer in enumerate(layers) for room in re.findall(r"\w+", layer)}


def test_the_map_has_every_room() -> None:
    folders = {each.parent.name for each in (ROOT / "llmrack").glob("*/__init__.py")}
    assert folders <= set(re.findall(r"^\| `llmrack/(\w+)` \|", CONTRIBUTING, re.M))


def test_arrows_of_the_drawing_lead_to_rooms_below() -> None:
    drawing = re.search(r"^```mermaid\n(.*?)^```", CONTRIBUTING, re.M | re.S)
    assert drawing
    arrows = re.findall(r"^ *([\w &]+) --> ([\w &]+)$", drawing[1], re.M)
    assert arrows
    order = rooms()
    for above, below in arrows:
        for one in above.split(" & "):
            for other in below.split(" & "):
                assert order[one] < order[other], (one, other)
    folders = {each.parent.name for each in (ROOT / "llmrack").glob("*/__init__.py")}
    assert folders - {"remote"} <= set(re.findall(r"\w+", drawing[1]))
