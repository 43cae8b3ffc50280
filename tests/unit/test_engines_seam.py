"""An engine is one class: Ollama's name stands in its own files, in settings and in messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from llmrack.stack.settings import Settings
from tests import ROOT

PACKAGE = ROOT / "llmrack"
NAME = re.compile(r"ollama", re.IGNORECASE)
# Names that users write: settings, and the secret of Ollama Cloud.
WRITTEN = re.compile(rf"({'|'.join(Settings.model_fields)}|OLLAMA_(API_)?KEY|ollama_instances\W?)")
# Files that may name Ollama though they are not its own, and why.
ALLOWED = {
    "components/engines.py": "the list of engines",
    "verify/engines.py": "the list of their proofs",
    "kube/engines.py": "the list of those that pods can run",
    "stack/providers.py": "the list of kinds of provider",
    **dict.fromkeys(
        (
            *("commands/adopt.py", "shipped/host/programs.py", "shipped/host/servers.py"),
            *(f"adopt/host/{name}.py" for name in ("addresses", "proposal", "seen", "takeover")),
            "adopt/host/variables.py",
        ),
        "looks for an Ollama of somebody else's, and proposes to take it over",
    ),
    "adopt/services.py": "LiteLLM's prefixes, and their kinds of provider",
    "adopt/parameters.py": "LiteLLM's num_ctx, which no other server takes",
    "stack/litellm_provider.py": "LiteLLM's prefixes that have a kind of their own",
    "stack/checks/checks.py": "the list of checks",
    "stack/settings.py": "its settings",
    "stack/load.py": "reads what is declared of it",
    "stack/bundle.py": "the format of bundles",
    "stack/offline.py": "what a bundle settles: its release",
    "bundle/create.py": "gathers a bundle: its release and its models",
    "commands/pin.py": "llmrack pin ollama",
    "components/gpu/gpus.py": "whether a card can serve depends on what it is used by",
    "components/gpu/other_cards.py": "the same",
    "shipped/host/status.py": "runs on hosts: the list of what asks an engine",
    "shipped/host/metrics.py": "runs on hosts: names of metrics",
}
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
# The gateway's programs put each request in the form of the server that is asked.
DIALECTS = "shipped/gateway/"
OTHERS = [name for name in FILES if not NAME.search(name) and not name.startswith(DIALECTS)]


def docstrings(tree: ast.AST) -> set[ast.AST]:
    return {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }


def named(tree: ast.AST) -> Iterator[str]:
    """Identifiers, modules and texts of a program; a text with a blank in it is a message."""
    skipped = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            # Its parts are one text.
            skipped |= set(node.values)
            parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
            if " " not in (text := "".join(parts)):
                yield text
        elif isinstance(node, ast.Constant) and node not in skipped:
            if isinstance(node.value, str) and " " not in node.value:
                yield node.value
        elif isinstance(node, ast.alias):
            yield node.name
            yield node.asname or ""
        else:
            for field in ("id", "attr", "name", "arg", "module"):
                yield str(getattr(node, field, "") or "")


@pytest.mark.parametrize("name", [name for name in OTHERS if name not in ALLOWED])
def test_ollama_is_named_in_its_own_files_and_in_lists_alone(name: str) -> None:
    texts = {text for text in named(ast.parse(FILES[name].read_text())) if NAME.search(text)}
    assert not {text for text in texts if NAME.search(WRITTEN.sub("", text))}


@pytest.mark.parametrize("name", ALLOWED)
def test_every_file_that_is_excepted_needs_it(name: str) -> None:
    assert any(NAME.search(text) for text in named(ast.parse(FILES[name].read_text())))


@pytest.mark.parametrize("name", OTHERS)
def test_nobody_asks_which_kind_of_provider_it_is(name: str) -> None:
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            assert "Provider" not in ast.unparse(node.args[1])
