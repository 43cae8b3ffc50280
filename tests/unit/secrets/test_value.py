"""The type of secrets: whatever prints, stores or copies one shows a mask."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from typing import Any

import click
import pytest
import yaml

from llmrack.problems import DeclarationError, Problem
from llmrack.secrets.value import MASK, Secret, preview, redact

CANARY = "canary-4711-value"


@dataclasses.dataclass
class Provider:
    """Something that has a key, as components have."""

    name: str
    key: Secret


def logged(form: str) -> str:
    stream = io.StringIO()
    logger = logging.Logger("canary")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error(form, Secret(CANARY))
    return stream.getvalue()


def raised(secret: Secret) -> None:
    copied = {"key": [secret]}
    raise ValueError(f"{secret} does not fit", secret, copied)


def in_a_traceback() -> str:
    try:
        raised(Secret(CANARY))
    except ValueError as error:
        text = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(text.format())
    raise AssertionError("nothing was raised")


FORMS: dict[str, Callable[[], str]] = {
    "str": lambda: str(Secret(CANARY)),
    "repr": lambda: repr(Secret(CANARY)),
    "ascii": lambda: ascii(Secret(CANARY)),
    "an f-string": lambda: f"{Secret(CANARY)}",
    "an f-string's width": lambda: f"{Secret(CANARY):>30}",
    "an f-string's conversion": lambda: f"{Secret(CANARY)!r}",
    "a container": lambda: repr({"keys": [(Secret(CANARY),)]}),
    "a dataclass": lambda: repr(Provider("x", Secret(CANARY))),
    "dataclasses.asdict": lambda: repr(dataclasses.asdict(Provider("x", Secret(CANARY)))),
    "pprint": lambda: pprint.pformat({"key": Secret(CANARY)}),
    "json with default=str": lambda: json.dumps({"key": Secret(CANARY)}, default=str),
    "yaml.safe_dump": lambda: yaml.safe_dump({"key": Secret(CANARY)}),
    "yaml.dump": lambda: yaml.dump({"key": Secret(CANARY)}),
    "yaml.dump of a dataclass": lambda: yaml.dump(Provider("x", Secret(CANARY))),
    "logging %s": lambda: logged("the key is %s"),
    "logging %r": lambda: logged("the key is %r"),
    "an exception's text": lambda: str(ValueError(Secret(CANARY))),
    "a mistake in the declaration": lambda: str(
        DeclarationError([Problem("here", "key", f"{Secret(CANARY)}", "mend it")])
    ),
    "an error of the command line": lambda: click.ClickException(
        f"{Secret(CANARY)}"
    ).format_message(),
}


@pytest.mark.parametrize("form", FORMS)
def test_shows_its_mask_and_not_its_value(form: str) -> None:
    shown = FORMS[form]()
    assert CANARY not in shown
    assert MASK in shown


def test_a_traceback_with_its_local_variables_does_not_show_it() -> None:
    shown = in_a_traceback()
    # It does show variables, or the test would say nothing.
    assert "copied = {'key': [Secret(" in shown
    assert CANARY not in shown


def test_json_refuses_it() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps({"key": Secret(CANARY)})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_has_a_placeholder_in_its_place(protocol: int) -> None:
    stored = pickle.dumps({"key": Secret(CANARY)}, protocol)
    assert CANARY.encode() not in stored
    # Read back where only our own test wrote it.
    assert pickle.loads(stored)["key"].is_placeholder


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_within_the_process_is_the_secret_itself(duplicate: Callable[[Any], Any]) -> None:
    assert duplicate({"key": Secret(CANARY)})["key"].reveal() == CANARY


def test_it_has_no_attributes_that_a_debugger_would_list() -> None:
    with pytest.raises(TypeError):
        vars(Secret(CANARY))


def test_its_hash_and_equality_are_those_of_the_value() -> None:
    assert {Secret(CANARY): 1}[Secret(CANARY)] == 1
    assert Secret(CANARY) != CANARY


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("sk-or-v1-0123456789abcdef0123456789abcdef-01234", "sk-or-v...1234"),
        ("0123456789abcdef0123", "0123...3"),
        ("0123456789ab", "01...b"),
        ("0123456789a", MASK),
        ("", MASK),
    ],
)
def test_a_preview_shows_a_quarter_of_the_value_at_most(value: str, shown: str) -> None:
    assert preview(Secret(value)) == shown
    if shown != MASK:
        assert len(shown.replace("...", "")) <= len(value) / 4


def test_a_value_within_another_is_redacted_whole() -> None:
    secrets = {"SHORT": Secret("canary"), "LONG": Secret(CANARY)}
    assert redact(f"401 for {CANARY}", secrets) == "401 for <LONG>"
