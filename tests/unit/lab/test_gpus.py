"""What a lab host with pretended GPUs pretends, and what its nvidia-smi prints."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from llmrack_lab.gpus import (
    DRIVER,
    STATES,
    declare,
    declared,
    ensure_declared,
    host_files,
    pretence,
    ready_after,
)
from llmrack_lab.pretended_gpu import nvidia_smi
from llmrack_lab.pretended_gpu.__main__ import booted
from llmrack_lab.pretended_gpu.pretence import Pretence
from llmrack_lab.shell import LabError

QUERY = (
    "--query-gpu=index,uuid,name,driver_version,compute_cap,memory.total,memory.used,pci.bus_id,"
    "persistence_mode,mig.mode.current"
)
BARE = "--format=csv,noheader,nounits"


def smi(pretended: Pretence, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(Pretence, "read", lambda: pretended)
    return nvidia_smi.main(list(arguments))


@pytest.mark.parametrize("vendor", STATES)
def test_every_state_survives_the_way_to_the_host(vendor: str) -> None:
    for state in STATES[vendor]:
        made = pretence("box1", 2, state, vendor)
        assert Pretence.from_json(made.to_json()) == made


def test_cards_keep_their_uuids_whatever_happens_to_them() -> None:
    def uuids(made: Pretence) -> list[str]:
        return [card.uuid for card in made.cards]

    two = uuids(pretence("box1", 2))
    assert uuids(pretence("box1", 2, "mismatch")) == two
    assert uuids(pretence("box1", 3))[:2] == two
    assert uuids(pretence("box1", 2, reverse=True)) == two[::-1]
    assert set(uuids(pretence("box2", 2))).isdisjoint(two)
    assert all(re.fullmatch(r"GPU-\w{8}(-\w{4}){3}-\w{12}", uuid) for uuid in two)


def test_unknown_state_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        LabError, match=r"no amd card is 'mismatch'; there is: fine, no-driver, old-card"
    ):
        pretence("box1", 1, "mismatch", "amd")


def test_seconds_are_for_not_ready_alone() -> None:
    with pytest.raises(LabError, match="seconds are for the state not-ready, not for fine"):
        ready_after(pretence("box1", 1), 3)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        ("mismatch", ("fine", "570.133.20")),
        ("suspended", ("fine", DRIVER)),
        ("unsigned", ("unsigned", "")),
        ("no-driver", ("no-driver", "")),
        ("lost", ("lost", DRIVER)),
    ],
)
def test_boot_cures_what_a_boot_cures(state: str, after: tuple[str, str]) -> None:
    made = booted(pretence("box1", 1, state))
    assert (made.state, made.loaded) == after


@pytest.mark.parametrize("state", ["no-driver", "nouveau"])
def test_boot_loads_a_driver_that_was_installed(state: str) -> None:
    made = booted(dataclasses.replace(pretence("box1", 1, state), installed="580.1"))
    assert (made.state, made.loaded) == ("fine", "580.1")


def test_new_host_keeps_what_it_was_told_before(tmp_path: Path) -> None:
    ensure_declared(tmp_path, "box1", 2)
    assert declared(tmp_path) == pretence("box1", 2)
    declare(tmp_path, pretence("box1", 1, "lost"))
    ensure_declared(tmp_path, "box1", 2)
    assert declared(tmp_path) == pretence("box1", 1, "lost")


def test_host_gets_what_it_pretends_among_its_files() -> None:
    made = pretence("box1", 2)
    content, mode, owner = host_files(made)["etc/pretended-gpus.json"]
    assert (Pretence.from_json(content), mode, owner) == (made, 0o644, 0)


def test_query_prints_a_line_a_card(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = pretence("box1", 2)
    assert smi(made, monkeypatch, QUERY, BARE) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{index}, {card.uuid}, NVIDIA GeForce RTX 4090, 570.86.15, 8.9, 24564, 1, "
        f"00000000:0{index + 1}:00.0, Enabled, [N/A]"
        for index, card in enumerate(made.cards)
    ]


def test_query_has_headers_and_units_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    smi(pretence("box1", 1), monkeypatch, "--query-gpu=memory.total,name", "--format=csv")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["memory.total [MiB], name", "24564 MiB, NVIDIA GeForce RTX 4090"]


def test_unknown_field_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smi(pretence("box1", 1), monkeypatch, "--query-gpu=colour", BARE) == 2
    assert capsys.readouterr().out.startswith('Field "colour" is not a valid field to query.')


@pytest.mark.parametrize(
    ("state", "code", "message"),
    [
        ("unsigned", 9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA"),
        ("mismatch", 18, "Failed to initialize NVML: Driver/library version mismatch\n"),
        ("not-ready", 6, "No devices were found\n"),
    ],
)
def test_failure_is_that_of_the_real_tool(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    state: str,
    code: int,
    message: str,
) -> None:
    assert smi(pretence("box1", 1, state), monkeypatch, "-L") == code
    assert capsys.readouterr().out.startswith(message)


def test_lost_card_is_not_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = pretence("box1", 3, "lost")
    assert smi(made, monkeypatch, "-L") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_cards_of_others_have_what_tells_them_apart() -> None:
    new, old = (pretence("box1", 2, state, "amd") for state in ("fine", "old-card"))
    assert (new.target, old.target) == (110000, 90000)
    assert (new.vulkan, old.vulkan) == (False, True)
    assert all(re.fullmatch(r"GPU-[0-9a-f]{16}", card.uuid) for card in (*new.cards, *old.cards))
    arc, bare = (pretence("box1", 1, state, "intel") for state in ("fine", "no-vulkan"))
    assert (arc.cards[0].uuid, arc.vulkan, bare.vulkan) == ("", True, False)
