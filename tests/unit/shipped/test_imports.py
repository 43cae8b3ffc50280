"""What runs on hosts and in a gateway's release: what it may import, and where it lies there."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrack import shipped
from llmrack.components.gateway.gateway import programs

ROOT = Path(shipped.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
# What a release's environment has, apart from LiteLLM itself.
IN_A_RELEASE = {
    *("aiohttp", "anyio", "fastapi", "httpx", "openai", "prometheus_client", "uvicorn", "yaml"),
}
LITELLM = ROOT / "gateway" / "litellm_parts.py"


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports by their whole names."""
    # Hosts may have Python 3.10.
    for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 10))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_program_imports_only_what_its_host_has(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    allowed = set(sys.stdlib_module_names)
    if room == "gateway":
        allowed |= IN_A_RELEASE | ({"litellm"} if path == LITELLM else set())
    others = {
        name
        for name in imported(path)
        if name.partition(".")[0] not in allowed and not name.startswith(f"llmrack.shipped.{room}")
    }
    assert not others


def test_a_gateway_module_names_none_of_its_own_by_the_whole_name() -> None:
    """In a release the package has another name."""
    whole = [
        (path.name, name)
        for path in (ROOT / "gateway").rglob("*.py")
        for name in imported(path)
        if name.startswith("llmrack")
    ]
    assert whole == []


def test_a_release_has_the_package_and_at_its_top_what_is_started() -> None:
    names = programs()
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "gateway").rglob("*.py")}
    assert names.keys() == modules | {"serve.py", "gate.py"}
    assert names["gateway/serve.py"] == (ROOT / "gateway" / "serve.py").read_text()
    assert "from gateway.gate import main" in names["gate.py"]
