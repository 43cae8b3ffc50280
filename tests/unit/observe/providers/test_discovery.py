"""Models that a provider has become declared ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmrack.observe.providers.discovery import Discovery, Found, NotDiscovered, add
from llmrack.observe.providers.insertion import NoRoom
from llmrack.problems import DeclarationError
from llmrack.stack.declaration import Declaration
from llmrack.stack.load import load_stack
from tests.unit.declare import two_boxes

TEXT = """\
# What we serve.
providers:
  local: {kind: ollama}
  cloud: {kind: ollama-cloud}  # paid
models:
  llama3.2: {provider: local}

  # The large one.
  gpt-oss:20b-cloud: {provider: cloud}
aliases: {mini: llama3.2}
"""
GLM = Found("glm-4.6", 131072, ("chat", "tools"), None)
GPT = Found("gpt-oss:20b", None, ("chat",), "gpt-oss:20b-cloud")
EMBED = Found("nomic-embed-text", None, None, None)
LLAMA = Found("llama3.2", None, ("chat",), None)
MINI = Found("mini", None, ("chat",), None)
ODD = Found("@cf/meta", None, None, None)


@pytest.fixture
def discovery(tmp_path: Path) -> Discovery:
    file = tmp_path / "stack.yaml"
    file.write_text(TEXT)
    file.chmod(0o640)
    stack, lines = load_stack(file, "stack.yaml")
    declaration = Declaration(stack, two_boxes(), ["OLLAMA_API_KEY"], lines)
    return Discovery("cloud", (GLM, GPT, EMBED, LLAMA, MINI, ODD), declaration, file)


def test_a_chosen_model_is_written_under_its_own_name(discovery: Discovery) -> None:
    added = add(discovery, ["glm-4.6"])
    assert (added.names, added.left_out) == (("glm-4.6",), ())
    new = "  glm-4.6:\n    provider: cloud\n    capabilities: [chat, tools]\n"
    assert discovery.file.read_text() == TEXT.replace("aliases:", f"{new}aliases:")
    assert discovery.file.stat().st_mode & 0o777 == 0o640
    assert list(discovery.file.parent.iterdir()) == [discovery.file]


def test_all_are_written_but_for_those_whose_name_is_taken(discovery: Discovery) -> None:
    added = add(discovery, None)
    assert added.names == ("glm-4.6", "nomic-embed-text")
    assert "capabilities: [embedding]" in discovery.file.read_text()
    llama, mini, odd = added.left_out
    assert "provider: [local, cloud]" in llama
    assert "mini is a tier, a mix or an alias" in mini
    assert "@cf/meta cannot be a public name" in odd


def test_what_is_declared_already_is_left_alone(discovery: Discovery) -> None:
    before = discovery.file.stat()
    assert add(discovery, ["gpt-oss:20b"]).names == ()
    assert discovery.file.stat() == before


def test_a_name_that_the_provider_lacks_is_told_the_nearest_one(discovery: Discovery) -> None:
    with pytest.raises(NotDiscovered, match=r"does not have 'glm4.6'; did you mean 'glm-4.6'"):
        add(discovery, ["glm4.6"])
    assert discovery.file.read_text() == TEXT


def test_a_text_that_would_have_mistakes_is_not_written(discovery: Discovery) -> None:
    wrong = replace(discovery, models=(replace(GLM, capabilities=("chat", "flight")),))
    with pytest.raises(DeclarationError):
        add(wrong, None)
    without_key = replace(discovery, declaration=replace(discovery.declaration, secrets=[]))
    with pytest.raises(DeclarationError, match="OLLAMA_API_KEY is not set"):
        add(without_key, ["glm-4.6"])
    assert discovery.file.read_text() == TEXT
    assert list(discovery.file.parent.iterdir()) == [discovery.file]


def test_a_file_that_has_its_models_in_braces_is_not_written(discovery: Discovery) -> None:
    text = "providers: {cloud: {kind: ollama-cloud}}\nmodels: {a: {provider: cloud}}\n"
    discovery.file.write_text(text)
    with pytest.raises(NoRoom, match="written in braces"):
        add(discovery, ["glm-4.6"])
    assert discovery.file.read_text() == text
