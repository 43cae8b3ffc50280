"""What a lab remembers: its identity, its subnet, its hosts' Debian."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack_lab import state
from llmrack_lab.network import check_lab_name
from llmrack_lab.shell import LabError


def test_demo_and_test_have_subnets_of_their_own(tmp_path: Path) -> None:
    demo, test = (state.ensure(tmp_path / name, None) for name in ("demo", "test"))
    assert (demo.subnet, test.subnet) == ("10.77.0.0/24", "10.78.0.0/24")


def test_another_lab_needs_a_subnet(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="lab mine needs a subnet of its own: --subnet"):
        state.ensure(tmp_path / "mine", None)


def test_a_lab_keeps_its_identity_and_subnet(tmp_path: Path) -> None:
    made = state.ensure(tmp_path / "mine", "10.80.0.0/24")
    assert state.ensure(tmp_path / "mine", None) == made


def test_the_subnet_of_a_lab_cannot_change(tmp_path: Path) -> None:
    state.ensure(tmp_path / "mine", "10.80.0.0/24")
    with pytest.raises(LabError, match=r"exists with the subnet 10\.80\.0\.0/24; .*lab down"):
        state.ensure(tmp_path / "mine", "10.81.0.0/24")


def test_hosts_have_debian_12_if_nothing_else_was_chosen(tmp_path: Path) -> None:
    assert state.ensure(tmp_path / "demo", None).suite == "bookworm"


def test_a_lab_of_an_earlier_version_has_debian_12(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text('{"id": "x", "subnet": "10.80.0.0/24", "release": null}')
    assert state.ensure(tmp_path, None).suite == "bookworm"


def test_a_lab_keeps_its_release_of_debian(tmp_path: Path) -> None:
    made = state.ensure(tmp_path / "demo", None, "trixie")
    assert made.suite == "trixie"
    assert state.ensure(tmp_path / "demo", None) == made
    assert state.ensure(tmp_path / "demo", None, "trixie") == made


@pytest.mark.parametrize(("first", "then"), [(None, "trixie"), ("trixie", "bookworm")])
def test_the_debian_of_a_lab_cannot_change(tmp_path: Path, first: str | None, then: str) -> None:
    state.ensure(tmp_path / "demo", None, first)
    with pytest.raises(LabError, match=rf"hosts of Debian .*; `llmrack lab down` first .*{then}"):
        state.ensure(tmp_path / "demo", None, then)


@pytest.mark.parametrize("subnet", ["10.80.0.0/25", "8.8.8.0/24", "10.80.0.1/24", "nonsense"])
def test_an_unfit_subnet_is_refused(tmp_path: Path, subnet: str) -> None:
    with pytest.raises(LabError, match="--subnet"):
        state.ensure(tmp_path / "mine", subnet)


@pytest.mark.parametrize("name", ["", "Demo", "my-lab", "ninechars", "1st", "a/b", ".."])
def test_an_unfit_lab_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="is no lab name"):
        check_lab_name(name)


def test_the_chosen_release_is_remembered(tmp_path: Path) -> None:
    state.ensure(tmp_path / "demo", None).chose("official").write(tmp_path / "demo")
    remembered = state.read(tmp_path / "demo")
    assert remembered is not None
    assert remembered.release == "official"
