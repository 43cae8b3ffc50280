"""The cards that were seen last: plans know them without asking a host."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from llmrack.site.known_cards import KNOWN, remember_cards, with_known_cards
from llmrack.stack.fleet import Fleet, Host
from tests.unit.declare import settings

CARD = "GPU-aaaaaaaa-0000-0000-0000-000000000001"


def box(number: int, gpus=None, **changes) -> Host:
    settings_ = settings(**({"ollama_instances": "per-gpu"} | changes))
    return Host(f"box{number}", frozenset({"gpu"}), f"10.0.0.{number}", settings_, gpus)


def cards(fleet: Fleet) -> list[tuple[str, ...] | None]:
    return [host.gpus for host in fleet.hosts]


def test_what_one_run_saw_the_next_one_knows(tmp_path: Path) -> None:
    remember_cards(box(1, (CARD,)), tmp_path)
    assert cards(with_known_cards(Fleet((box(1), box(2))), tmp_path)) == [(CARD,), None]


def test_a_run_for_some_hosts_forgets_no_other(tmp_path: Path) -> None:
    remember_cards(box(1, (CARD,)), tmp_path)
    remember_cards(box(2, ()), tmp_path)
    assert cards(with_known_cards(Fleet((box(1), box(2))), tmp_path)) == [(CARD,), ()]


def test_cards_matter_only_where_instances_follow_from_them(tmp_path: Path) -> None:
    remember_cards(box(1, (CARD,)), tmp_path)
    assert cards(with_known_cards(Fleet((box(1, ollama_instances="one"),)), tmp_path)) == [None]


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    (tmp_path / KNOWN).parent.mkdir()
    (tmp_path / KNOWN).write_text("{")
    assert cards(with_known_cards(Fleet((box(1),)), tmp_path)) == [None]


def test_who_waits_for_another_run_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """A lock that waits would stop every greenlet of the process, its holder among them."""
    program = """
import sys
from dataclasses import replace
from pathlib import Path
from gevent import monkey
monkey.patch_all()
import gevent
from llmrack.secrets.locking import alone_with
from llmrack.site.known_cards import KNOWN, remember_cards
from tests.unit.site.test_known_cards import CARD, box

folder = Path(sys.argv[1])
(folder / KNOWN).parent.mkdir()
with alone_with(folder / KNOWN):
    waiting = gevent.spawn(remember_cards, box(1, (CARD,)), folder)
    gevent.sleep(0)
    assert not (folder / KNOWN).exists()
waiting.get()
assert CARD in (folder / KNOWN).read_text()
"""
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, timeout=60)


def test_runs_at_the_same_time_keep_all_cards(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; "
        "from llmrack.site.known_cards import remember_cards; "
        "from tests.unit.site.test_known_cards import CARD, box; "
        "remember_cards(box(int(sys.argv[2]), (CARD,)), Path(sys.argv[1]))"
    )
    words = [sys.executable, "-c", program, tmp_path]
    running = [subprocess.Popen([*words, str(number)]) for number in range(1, 5)]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    fleet = Fleet(tuple(box(number) for number in range(1, 5)))
    assert cards(with_known_cards(fleet, tmp_path)) == [(CARD,)] * 4
    assert [file.name for file in (tmp_path / KNOWN).parent.iterdir()] == [KNOWN.name]


def test_rocm_is_remembered_for_hosts_of_every_kind(tmp_path: Path) -> None:
    for number, instances in enumerate(("per-gpu", "one"), 1):
        seen = replace(box(number, (CARD,), ollama_instances=instances), rocm=True)
        remember_cards(seen, tmp_path)
    fleet = Fleet((box(1), box(2, ollama_instances="one"), box(3)))
    known = with_known_cards(fleet, tmp_path).hosts
    assert [(host.gpus, host.rocm) for host in known] == [
        ((CARD,), True),
        (None, True),
        (None, False),
    ]
    remember_cards(box(2, ollama_instances="one"), tmp_path)
    assert [host.rocm for host in with_known_cards(fleet, tmp_path).hosts] == [True, False, False]
