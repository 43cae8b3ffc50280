"""Who answers: levels, strategies, and who has the model in memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

from llmrack.shipped.gateway.routing import choice

Candidate, Turns, choose = choice.Candidate, choice.Turns, choice.choose


def picks(number: int, candidates: list[Any], strategy: str, turns: Any = None) -> list[str]:
    turns = turns or Turns()
    return [choose(candidates, strategy, turns)[0] for _ in range(number)]


def test_nobody_is_chosen_where_nobody_can_be_asked() -> None:
    assert choose([], "weighted", Turns()) == (None, None)


def test_only_the_lowest_level_serves() -> None:
    candidates = [Candidate("far", level=2), Candidate("near", level=1)]
    assert set(picks(10, candidates, "weighted")) == {"near"}


def test_weights_are_exact_over_every_run_of_picks() -> None:
    candidates = [Candidate("a", weight=5), Candidate("b", weight=2), Candidate("c", weight=1)]
    chosen = picks(80, candidates, "weighted")
    for start in range(0, 80, 8):
        assert Counter(chosen[start : start + 8]) == {"a": 5, "b": 2, "c": 1}


def test_the_lighter_ones_come_in_between() -> None:
    chosen = picks(4, [Candidate("a", weight=3), Candidate("b", weight=1)], "weighted")
    assert chosen == ["a", "a", "b", "a"]


def test_the_others_take_all_while_one_is_away() -> None:
    turns, every = Turns(), [Candidate("a", weight=8), Candidate("b", weight=2)]
    picks(5, every, "weighted", turns)
    assert set(picks(20, every[1:], "weighted", turns)) == {"b"}
    assert Counter(picks(10, every, "weighted", turns)) == {"a": 8, "b": 2}


def test_round_robin_does_not_look_at_weights() -> None:
    chosen = picks(6, [Candidate("a", weight=5), Candidate("b", weight=1)], "round-robin")
    assert Counter(chosen) == {"a": 3, "b": 3}


def test_least_busy_is_in_proportion_to_weights() -> None:
    candidates = [Candidate("a", weight=4, running=3), Candidate("b", weight=1, running=1)]
    assert picks(1, candidates, "least-busy") == ["a"]


def test_equally_busy_ones_take_turns() -> None:
    assert set(picks(2, [Candidate("a"), Candidate("b")], "least-busy")) == {"a", "b"}


def test_latency_asks_the_quickest() -> None:
    assert set(picks(5, [Candidate("a", pace=0.2), Candidate("b", pace=0.1)], "latency")) == {"b"}


def test_latency_asks_those_first_of_whom_nothing_is_known() -> None:
    assert picks(1, [Candidate("a", pace=0.1), Candidate("new")], "latency") == ["new"]


def test_who_has_to_load_does_so_while_another_answers() -> None:
    candidates = [Candidate("cold", loaded=False), Candidate("warm", loaded=True)]
    picks = {choose(candidates, "round-robin", Turns()) for _ in range(1)}
    assert picks == {("warm", "cold")}


def test_who_has_to_load_answers_where_nobody_has_the_model() -> None:
    candidates = [Candidate("cold", loaded=False), Candidate("unknown", loaded=None)]
    assert set(picks(2, candidates, "round-robin")) == {"cold", "unknown"}


def test_a_loaded_one_of_the_next_level_is_not_asked_instead() -> None:
    candidates = [Candidate("cold", loaded=False), Candidate("far", level=2, loaded=True)]
    assert choose(candidates, "weighted", Turns()) == ("cold", None)
