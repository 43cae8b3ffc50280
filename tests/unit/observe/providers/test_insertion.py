"""Models are added to the text of a stack file, of which nothing else is changed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml

from llmrack.observe.providers.insertion import NoRoom, with_models

NEW: Mapping[str, Mapping[str, object]] = {"new:1": {"provider": "x"}}


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("models:\n  a: {provider: x}\ntiers: {}\n", "  a: {provider: x}\n"),
        ("models:\n  a: {provider: x}  # why\n  # end\n", "  a: {provider: x}  # why\n"),
        ("models:\n     a:\n       provider: x\n\nz: 1\n", "       provider: x\n"),
        ("models:\n  a:\n    provider:\n    - x\n    - y\n", "    - y\n"),
        ("models:\n  a:\n    capabilities: [chat,\n      tools]\n", "      tools]\n"),
        ("models:\n  a:\n    system: |\n      one\n      two\nz: 1\n", "      two\n"),
        ("models:\n  a: &a {provider: x}\n  b: *a\n", "  b: *a\n"),
        ("models:\r\n  a: {provider: x}\r\nz: 1\r\n", "  a: {provider: x}\r\n"),
        ("models: {}  # none yet\nz: 1\n", "models:  # none yet\n"),
        ("z: 1\nmodels:\n  a:\n    provider: x", "    provider: x\n"),
    ],
    ids=[
        "before what follows",
        "behind a comment of its line",
        "with its indentation",
        "behind a list",
        "behind brackets over lines",
        "behind a text",
        "behind an alias",
        "with its line ends",
        "in place of empty braces",
        "behind a last line without an end",
    ],
)
def test_a_model_goes_behind_the_last_one_and_nothing_else_changes(text: str, after: str) -> None:
    added = with_models(text, NEW)
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * 5 if "     a:" in text else " " * 2
    line = f"{indent}new:1: {{provider: x}}{newline}"
    assert added.replace(line, "") in (text, f"{text}\n", text.replace(" {}", ""))
    assert after + line in added
    data = yaml.safe_load(text)
    assert yaml.safe_load(added) == data | {"models": {**data["models"], **NEW}}


def test_a_name_that_yaml_would_read_as_something_else_is_quoted() -> None:
    added = with_models("models: {}\n", {"123": {"provider": "x"}, "yes": {"provider": "x"}})
    assert list(yaml.safe_load(added)["models"]) == ["123", "yes"]


def test_no_model_changes_nothing() -> None:
    assert with_models("models: {a: {provider: x}}", {}) == "models: {a: {provider: x}}"


@pytest.mark.parametrize("text", ["models: {a: {provider: x}}\n", "models:\nz: 1\n", "z: 1\n"])
def test_where_there_is_no_room_the_way_out_is_told(text: str) -> None:
    with pytest.raises(NoRoom, match=r"write (one model a line|`models)"):
        with_models(text, NEW)
