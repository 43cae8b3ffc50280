"""A program that is sent to hosts is one text, with what it imports of its own package."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import pytest

from llmrack.shipped import program

PROGRAMS = ("logs", "metrics", "servers", "status", "tail", "usage")


@pytest.fixture(params=PROGRAMS)
def tree(request: pytest.FixtureRequest) -> ast.Module:
    return ast.parse(program(f"llmrack.shipped.host.{request.param}"))


def defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_it_imports_nothing_of_llmrack(tree: ast.Module) -> None:
    modules = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not [module for module in modules if module.startswith("llmrack")]


def test_no_name_at_its_top_stands_for_two_things(tree: ast.Module) -> None:
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {
        (getattr(node, "module", ""), alias.name, alias.asname or alias.name)
        for node in imports
        for alias in node.names
    }
    names = Counter(defined(tree))
    names.update(name for _, _, name in imported)
    assert [name for name, times in names.items() if times > 1] == []
