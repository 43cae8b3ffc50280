"""Results of providers' tests: kept, shown, and what a gateway's file on health says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llmrack.observe.providers.gateway_health import GatewayHealth, parsed
from llmrack.observe.providers.trials import (
    KEPT,
    Tested,
    as_json,
    exit_code,
    keep_tested,
    kept_tests,
    table,
)
from llmrack.verify.causes import Trouble

AT = "2026-11-21T12:00:00Z"
OK = Tested("cloud", "cloud", "box1", AT, None, 12, 9)
OWN = Tested("local", "box2/a", "box1", AT, None, 3, 1)
REFUSED = replace(OK, trouble=Trouble("key", "cloud refuses the key (401)", "give a valid one"))
NOT_ASKED = replace(OK, trouble=Trouble("gateway", "box1 could not ask (gone)", "see to it"))
MISSING = replace(OK, missing=("stack.yaml:3: models.a: not listed; did you mean 'b'?",))


NO_LIST = replace(OK, ms=None, models=None, untested="bedrock was not asked: no list is known")


@pytest.mark.parametrize(
    ("tested", "code"),
    [
        ([OK, NO_LIST], 0),
        ([OK, OWN], 0),
        ([OK, REFUSED], 1),
        ([OK, MISSING], 1),
        ([OK, NOT_ASKED], 2),
        ([REFUSED, NOT_ASKED], 1),
        ([], 0),
    ],
)
def test_the_exit_code_says_the_worst_that_is_known(tested: list[Tested], code: int) -> None:
    assert exit_code(tested) == code
    assert json.loads(as_json(tested))["exit_code"] == code


def test_results_are_kept_and_those_of_others_stay(tmp_path: Path) -> None:
    keep_tested(tmp_path, [OK, OWN])
    keep_tested(tmp_path, [REFUSED])
    assert kept_tests(tmp_path) == [OWN, REFUSED]


def test_a_test_that_did_not_happen_leaves_the_last_one(tmp_path: Path) -> None:
    keep_tested(tmp_path, [MISSING])
    keep_tested(tmp_path, [NOT_ASKED])
    assert kept_tests(tmp_path) == [MISSING]


@pytest.mark.parametrize("text", ["", "{", "{}", '[{"provider": "cloud"}]', "[1]"])
def test_a_damaged_file_counts_as_none_and_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / KEPT).parent.mkdir()
    (tmp_path / KEPT).write_text(text)
    assert kept_tests(tmp_path) == []
    keep_tested(tmp_path, [OK])
    assert kept_tests(tmp_path) == [OK]


def test_a_table_has_a_line_for_each_and_a_sentence_for_what_is_wrong() -> None:
    shown = table([OK, OWN, REFUSED, MISSING, NO_LIST])
    assert "no test" in shown
    assert "bedrock was not asked: no list is known" in shown
    assert "cloud refuses the key (401); give a valid one" in shown
    assert "did you mean 'b'?" in shown
    assert "local box2/a" in shown
    assert max(map(len, shown.splitlines())) <= 80


TOLD = {
    "pid": 7,
    "started": 1.0,
    "instances": {
        "box1": {"rest": None, "models": {}},
        "box2": {"rest": {"since": 90.0, "why": "no connection"}, "models": {}},
        "cloud": {"rest": None, "models": {"glm": {"since": 40.0, "why": "429"}}},
    },
}


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        ("box1", "ok"),
        ("box2", "put aside 10 s ago: no connection"),
        ("cloud", "glm put aside 60 s ago: 429"),
        ("other", "unknown (not deployed)"),
    ],
)
def test_a_gateways_word_on_a_server(instance: str, words: str) -> None:
    assert parsed("box1", TOLD, 100.0).of(instance) == words


def test_where_nothing_was_learned_the_reason_is_told() -> None:
    assert GatewayHealth("box1", {}, "no connection: timeout").of("cloud") == (
        "unknown (no connection: timeout)"
    )
