"""The structure: a room imports only rooms below it, and the pure ones nothing of the world."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "llmrack"
PURE = ("stack", "resources", "components")
# For each room, the rooms it may import.
BELOW = {
    "problems": set(),
    "files": set(),
    "stack": {"problems"},
    "secrets": {"files", "problems"},
    "commands": {
        "backup",
        "observe",
        "remote",
        "components",
        "stack",
        "secrets",
        "problems",
        "verify",
    },
    "observe": {"remote", "components", "resources", "stack", "secrets", "problems", "verify"},
    "resources": {"secrets"},
    "components": {"resources", "stack", "secrets", "problems"},
    "verify": {"files", "stack", "secrets"},
    "remote": {"components", "resources", "stack", "secrets", "problems", "verify"},
    "backup": {"files", "remote", "secrets", "stack"},
    "bundle": {"remote", "components", "resources", "stack", "problems"},
    "lab": set(),
}
WORLD = ("pyinfra", "paramiko", "socket", "subprocess", "httpx", "time", "datetime", "gevent")
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            # A day is a value like any other; which day it is today is not.
            if [alias.name for alias in node.names] == ["date"]:
                found.discard("datetime")
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_room_imports_only_rooms_below(path):
    here = room(path)
    if here not in BELOW:
        return
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("llmrack.")}
    assert rooms <= BELOW[here] | {here}


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) in PURE], ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_pure_room_knows_nothing_of_the_world(path):
    assert not {name.split(".")[0] for name in imports(path)} & set(WORLD)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_file_is_short(path):
    assert len(path.read_text().splitlines()) <= 300
