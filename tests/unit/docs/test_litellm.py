"""docs/litellm.md lists what the gateway's package touches of LiteLLM, and tests that exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests import ROOT
from tests.contract.litellm_probes import PROBES
from tools.gateway_contract import PAGE, points

PACKAGE = ROOT / "llmrack" / "shipped" / "gateway"
TEMPLATES = ROOT / "templates" / "gateway"
CONTRACT = "tests/contract/test_litellm.py"
TEXT = PAGE.read_text()
POINTS = points(TEXT)
# In backticks: names, and those of settings and fields among other text.
NAMED = {word for code in re.findall(r"`([^`\n]+)`", TEXT) for word in re.findall(r"[\w-]+", code)}
# LiteLLM's names of fields; in other dictionaries of these modules they are OpenAI's or ours.
FIELDS = re.compile(
    r"\b(?:kwargs|data|request_data|hidden|logged|params|scope)"
    r"(?:\.get\(|\.pop\(|\[)\"([\w-]+)\""
)
# Those of OpenAI's API, which LiteLLM takes as they are.
OF_OPENAI = {"messages", "prompt", "tools", "response_format", "stream", "stream_options", "n"}


def tree(path: str) -> ast.Module:
    return ast.parse((PACKAGE / path).read_text())


def names_of_parts() -> set[str]:
    """What litellm_parts.py offers to the other modules."""
    (listed,) = (
        node.value
        for node in tree("litellm_parts.py").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return set(ast.literal_eval(listed))


def hooks() -> set[str]:
    """Methods of our callbacks that LiteLLM calls."""
    return {
        method.name
        for path in ("routing/callback.py", "request_log.py")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and "CustomLogger" in map(ast.unparse, node.bases)
        for method in node.body
        if isinstance(method, ast.AsyncFunctionDef) and method.name.startswith("async_")
    }


def attributes_of_litellm() -> set[str]:
    """What modules take from LiteLLM's module itself."""
    return {
        node.attr
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("litellm", "Router")
    }


def private_attributes() -> set[str]:
    """Those of objects that are not ours."""
    return {
        node.attr
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not ast.unparse(node).startswith(("self.", "os."))
    }


def fields() -> set[str]:
    """Keys that are read from, or put into, what LiteLLM hands over."""
    modules = [*(PACKAGE / "routing").glob("*.py"), *(PACKAGE / n for n in ("auth.py", "serve.py"))]
    modules.append(PACKAGE / "request_log.py")
    return {name for path in modules for name in FIELDS.findall(path.read_text())} - OF_OPENAI


def settings() -> set[str]:
    """Keys of config.yaml."""
    text = (TEMPLATES / "config.yaml.j2").read_text()
    return set(re.findall(r"^[ -]*([a-z_]+):", text, re.MULTILINE))


def variables() -> set[str]:
    """Of LiteLLM's environment."""
    text = (TEMPLATES / "litellm.env.j2").read_text()
    return set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE))


@pytest.mark.parametrize(
    "touched",
    [
        names_of_parts,
        hooks,
        attributes_of_litellm,
        private_attributes,
        fields,
        settings,
        variables,
    ],
)
def test_everything_that_is_touched_stands_on_the_page(touched) -> None:
    found = touched()
    assert found
    assert not found - NAMED


def test_each_point_names_modules_and_tests_that_exist() -> None:
    rows = [line for line in TEXT.splitlines() if re.match(r"\| (?!Point |---)", line)]
    assert len(POINTS) == len(rows)
    for point in POINTS:
        for used in re.findall(r"`([^`]+)`", point.used):
            places = (PACKAGE / used, TEMPLATES / used, ROOT / used)
            assert any(place.exists() for place in places), used
        for test in point.tests:
            file, _, name = test.partition("::")
            defined = ast.parse((ROOT / file).read_text()).body
            functions = {each.name for each in defined if isinstance(each, ast.FunctionDef)}
            assert name.partition("[")[0] in functions, test


def test_each_test_of_the_contract_holds_a_point() -> None:
    named = {test for point in POINTS for test in point.tests}
    body = ast.parse((ROOT / CONTRACT).read_text()).body
    tests = {each.name for each in body if isinstance(each, ast.FunctionDef)}
    tests = {name for name in tests if name.startswith("test_")} - {"test_point"}
    tests |= {f"test_point[{probe.__name__}]" for probe in PROBES}
    assert {f"{CONTRACT}::{name}" for name in tests} == {t for t in named if CONTRACT in t}
