"""The cards that were seen last: plans know them without asking a host."""

from __future__ import annotations

from pathlib import Path

from llmrack.site.known_cards import KNOWN, remember_cards, with_known_cards
from llmrack.stack.fleet import Fleet, Host
from tests.unit.declare import settings

CARD = "GPU-aaaaaaaa-0000-0000-0000-000000000001"


def box(number: int, gpus=None, **changes) -> Host:
    its = settings(**({"ollama_instances": "per-gpu"} | changes))
    return Host(f"box{number}", frozenset({"gpu"}), f"10.0.0.{number}", its, gpus)


def cards(fleet: Fleet) -> list[tuple[str, ...] | None]:
    return [host.gpus for host in fleet.hosts]


def test_what_one_run_saw_the_next_one_knows(tmp_path: Path) -> None:
    remember_cards(Fleet((box(1, (CARD,)),)), tmp_path)
    assert cards(with_known_cards(Fleet((box(1), box(2))), tmp_path)) == [(CARD,), None]


def test_a_run_for_some_hosts_forgets_no_other(tmp_path: Path) -> None:
    remember_cards(Fleet((box(1, (CARD,)),)), tmp_path)
    remember_cards(Fleet((box(2, ()),)), tmp_path)
    assert cards(with_known_cards(Fleet((box(1), box(2))), tmp_path)) == [(CARD,), ()]


def test_cards_matter_only_where_instances_follow_from_them(tmp_path: Path) -> None:
    remember_cards(Fleet((box(1, (CARD,)),)), tmp_path)
    assert cards(with_known_cards(Fleet((box(1, ollama_instances="one"),)), tmp_path)) == [None]


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    (tmp_path / KNOWN).parent.mkdir()
    (tmp_path / KNOWN).write_text("{")
    assert cards(with_known_cards(Fleet((box(1),)), tmp_path)) == [None]
