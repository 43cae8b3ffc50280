"""Levels of thinking: how clients say them, and what a model is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.shipped.gateway.requests import thinking

USUAL = ("low", "medium", "high")


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, None),
        ({"reasoning_effort": "xhigh"}, "xhigh"),
        ({"reasoning_effort": {"effort": "high", "summary": "auto"}}, "high"),
        ({"reasoning_effort": {"summary": "auto"}}, None),
        ({"reasoning": {"effort": "low"}}, "low"),
        ({"think": True}, "medium"),
        ({"think": False}, "none"),
        ({"think": "high"}, "high"),
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 30000}}, "high"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max"),
    ],
    ids=str,
)
def test_every_way_of_saying_it_is_understood(given: dict[str, Any], level: str | None) -> None:
    assert thinking.asked(given) == level


@pytest.mark.parametrize("given", ["silly", 5, {"effort": "silly"}, {"effort": ["low"]}])
def test_what_is_no_level_is_named(given: object) -> None:
    with pytest.raises(ValueError, match="must be one of none, minimal, low"):
        thinking.asked({"reasoning_effort": given})


@pytest.mark.parametrize(
    ("wanted", "levels", "level"),
    [
        ("xhigh", USUAL, "high"),
        ("max", USUAL, "high"),
        ("medium", USUAL, "medium"),
        ("none", USUAL, "low"),
        ("minimal", USUAL, "low"),
        ("xhigh", ("low", "high"), "high"),
        ("medium", ("low", "high"), "low"),
        ("none", ("none", "high"), "none"),
        ("max", (), "max"),
        (None, USUAL, None),
    ],
)
def test_the_highest_becomes_the_highest_that_the_model_has(
    wanted: str | None, levels: tuple[str, ...], level: str | None
) -> None:
    assert thinking.chosen(wanted, levels, None, None) == level


def test_who_does_not_say_gets_the_default() -> None:
    assert thinking.chosen(None, USUAL, "low", None) == "low"
    assert thinking.chosen("high", USUAL, "low", None) == "high"


def test_nobody_gets_more_than_the_bound() -> None:
    assert thinking.chosen("max", USUAL, None, "medium") == "medium"
    assert thinking.chosen("low", USUAL, None, "medium") == "low"
    assert thinking.chosen("max", (), None, "none") == "none"
