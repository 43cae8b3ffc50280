"""Saved states of a lab: which there are, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from llmrack_lab import gpus
from llmrack_lab.disk import MOST_LAYERS, Disk
from llmrack_lab.host import LabHost
from llmrack_lab.saved import SavedStates
from llmrack_lab.shell import LabError


class Host:
    """A host that is a disk and a switch."""

    def __init__(self, folder: Path, goes_down: bool = True) -> None:
        self.name = folder.name
        self.disk = Disk(folder)
        self.runs = False
        self._goes_down = goes_down
        folder.mkdir(parents=True, exist_ok=True)
        gpus.ensure_declared(folder, self.name, 1)
        self.boot()

    def is_running(self) -> bool:
        return self.runs

    def boot(self) -> None:
        self.disk.prepare()
        self.runs = True

    def wait_ready(self) -> None:
        assert self.runs

    def kill(self) -> None:
        self.runs = False

    def switch_off(self) -> None:
        if not self._goes_down:
            raise LabError(f"{self.name}: it did not go down within 60 s")
        self.kill()


@pytest.fixture(autouse=True)
def _hosts_are_pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmrack_lab.saved.LabHost", Host)


def states_of(folder: Path, *hosts: Host) -> SavedStates:
    return SavedStates(folder, folder.parent / "lab.lock", lambda: cast(list[LabHost], list(hosts)))


def hosts_of(folder: Path, *names: str) -> list[Host]:
    return [Host(folder / name) for name in names]


def test_states_are_listed_as_they_were_saved(tmp_path: Path) -> None:
    states = states_of(tmp_path / "demo", *hosts_of(tmp_path / "demo", "box1"))
    for name in ("later", "bare", "later"):
        states.save(name)
    assert states.names == ["bare", "later"]


def test_a_lab_without_states_has_no_names_and_takes_no_room(tmp_path: Path) -> None:
    states = states_of(tmp_path)
    assert (states.names, states.mebibytes) == ([], 0)


def test_hosts_run_after_a_save_and_lie_on_what_was_saved(tmp_path: Path) -> None:
    hosts = hosts_of(tmp_path / "demo", "box1", "box2")
    states_of(tmp_path / "demo", *hosts).save("bare")
    assert [(host.runs, host.disk.layers) for host in hosts] == [(True, ("1",)), (True, ("1",))]


def test_a_host_that_does_not_go_down_spoils_the_save_and_the_others_boot(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    hosts = [Host(folder / "box1"), Host(folder / "box2", goes_down=False)]
    states = states_of(folder, *hosts)
    with pytest.raises(LabError, match="box2: it did not go down"):
        states.save("bare")
    assert [host.runs for host in hosts] == [True, True]
    assert states.names == []


def test_a_disk_without_room_is_refused_before_any_host_goes_down(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    hosts = hosts_of(folder, "box1", "box2")
    for _ in range(MOST_LAYERS):
        hosts[1].disk.save()
    monitored = states_of(folder, *hosts)
    hosts[0].switch_off = lambda: pytest.fail("it was shut down")  # type: ignore[method-assign]
    with pytest.raises(LabError, match="box2: its disk lies on"):
        monitored.save("more")


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../x", "1st", "x" * 31, "x\n"])
def test_a_name_that_no_state_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabError, match="is no name of a saved state: a letter, then"):
        states_of(tmp_path).save(name)


@pytest.mark.parametrize(
    ("saved", "way_out"),
    [([], "`llmrack lab save` makes one"), (["bare", "deployed"], "it has: bare, deployed")],
)
def test_an_unknown_state_is_refused_with_the_known_ones(
    tmp_path: Path, saved: list[str], way_out: str
) -> None:
    states = states_of(tmp_path / "demo", *hosts_of(tmp_path / "demo", "box1"))
    for name in saved:
        states.save(name)
    with pytest.raises(LabError, match=f"lab demo has no saved state 'other'; {way_out}"):
        states.go_back("other")


def test_a_state_with_other_hosts_is_refused_and_no_host_touched(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    hosts = hosts_of(folder, "box1", "box2")
    states_of(folder, hosts[0]).save("one")
    hosts[0].kill()
    with pytest.raises(
        LabError,
        match="lab demo has the hosts box1, box2, and its state one was saved with box1; "
        "`llmrack lab save one` saves the hosts as they are",
    ):
        states_of(folder, *hosts).go_back("one")
    assert not hosts[0].runs
