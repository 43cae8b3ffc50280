"""From up to down: nothing stays behind, and nothing foreign is touched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from llmrack_lab import processes
from llmrack_lab.shell import LabError, wait_until
from tests.lab.own_lab import NAME, ROOT, UP, make_lab, marked, prepare, run, traces


@pytest.fixture(autouse=True)
def _no_lab() -> Iterator[None]:
    prepare()
    yield
    make_lab().down()


def test_two_ups_at_once_agree() -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: subprocess.run([sys.executable, "-c", UP], check=True), range(2)))
    lab = make_lab()
    assert {line.state for line in lab.status()} == {"running"}
    assert len([process for process in marked(lab) if process.is_init]) == 1


def test_down_leaves_nothing() -> None:
    before = traces()
    make_lab().up(1)
    assert traces() != before
    make_lab().down()
    assert traces() == before
    assert not (ROOT / NAME).exists()


@pytest.mark.parametrize(
    "moment", ["lr-labtest", "netns lr-labtest-net", "netns lr-labtest-box1", "boot"]
)
def test_down_cleans_up_after_a_killed_up(moment: str) -> None:
    before = traces()
    made, console = ROOT / NAME / "made", ROOT / NAME / "box1" / "console.log"

    def has_come() -> bool:
        return (
            console.exists() if moment == "boot" else made.exists() and moment in made.read_text()
        )

    with subprocess.Popen([sys.executable, "-c", UP]) as command:
        assert wait_until(has_come, 60, every=0.001)
        command.kill()
    make_lab().down()
    assert traces() == before


def test_down_without_a_lab_does_nothing() -> None:
    make_lab().down()
    make_lab().down()


def test_down_spares_processes_that_are_not_the_labs() -> None:
    make_lab().up(1)
    with subprocess.Popen(["sleep", "60"], env={processes.MARK: "another:box1"}) as stranger:
        make_lab().down()
        assert stranger.poll() is None
        stranger.kill()


FOREIGN = {
    "bridge": ("ip link add lr-labtest type bridge", "ip link delete lr-labtest"),
    "network namespace": ("ip netns add lr-labtest-box1", "ip netns delete lr-labtest-box1"),
    "firewall table": ("nft add table ip llmrack_labtest", "nft delete table ip llmrack_labtest"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_something_foreign_with_our_name_is_refused_and_kept(kind: str) -> None:
    make, remove = FOREIGN[kind]
    run(*make.split())
    try:
        before = traces()
        with pytest.raises(LabError, match=f"a {kind} named .* this lab did not make it"):
            make_lab().up(1)
        make_lab().down()
        assert traces() == before
    finally:
        run(*remove.split())


def test_a_subnet_in_use_is_refused() -> None:
    run("ip", "link", "add", "foreign0", "type", "bridge")
    try:
        run("ip", "addr", "add", "10.79.0.77/16", "dev", "foreign0")
        with pytest.raises(LabError, match=r"10\.79\.0\.0/24 is in use by foreign0.*--subnet"):
            make_lab().up(1)
    finally:
        run("ip", "link", "delete", "foreign0")
