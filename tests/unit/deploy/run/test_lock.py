"""The lock's script on a host, run here: who gets it, who is told what, and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyinfra.api import StringCommand

from llmrack.deploy.run.held import LAST_RUN, Lock, guarded
from llmrack.deploy.run.lock import hold, refusal
from llmrack_lab.shell import wait_until

DEADLINE = 10.0


class Host:
    """A folder that stands for a host's /run and /var/lib."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[subprocess.Popen[str]] = []

    def here(self, script: str) -> str:
        return script.replace("/run/", f"{self._folder}/").replace("/var/lib/", f"{self._folder}/")

    def hold(self, run: str, seen: str = "", patience: int = 60) -> subprocess.Popen[str]:
        """Start what takes the lock; its first line is the verdict."""
        command = hold(run, "root@desk", "4711", seen).get_raw_value()
        process = subprocess.Popen(
            f"exec {self.here(command).replace(' 60 ', f' {patience} ')}",
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._held.append(process)
        return process

    def verdict(self, run: str, seen: str = "") -> str:
        process = self.hold(run, seen)
        return said(process)

    @property
    def last(self) -> str:
        return Path(self.here(LAST_RUN)).read_text().strip()

    def guarded(self, run: str, script: str) -> subprocess.Popen[str]:
        """Start a script as one of the run that has the id ``run``."""
        lock = Lock(run, lambda: False)
        command = guarded(lock, StringCommand("sh", "-c", f"'{script}'")).get_raw_value()
        return subprocess.Popen(
            self.here(command),
            shell=True,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def end(self) -> None:
        for process in self._held:
            process.kill()
            process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def hang_up(process: subprocess.Popen[str]) -> None:
    """What the end of a connection is to a process at its other end."""
    assert process.stdin
    process.stdin.close()
    process.stdin = None
    process.wait(DEADLINE)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    made.end()


def test_a_free_lock_is_taken(host: Host) -> None:
    assert host.verdict("one") == "held"


def test_a_lock_that_is_held_is_refused_and_names_the_holder(host: Host) -> None:
    host.verdict("one")
    verdict, _, rest = host.verdict("two").partition(" ")
    text = refusal(verdict, rest)
    assert text.startswith("root@desk (process 4711, since 20")
    assert " is changing it, 0 min " in text


def test_one_run_that_has_a_machine_under_two_names_holds_it_for_both(host: Host) -> None:
    assert [host.verdict("one"), host.verdict("one")] == ["held", "held"]


def test_the_lock_of_a_killed_holder_is_free_at_once(host: Host) -> None:
    holder = host.hold("one")
    said(holder)
    holder.kill()
    assert host.verdict("two", seen=host.last) == "held"


def test_the_lock_of_a_run_whose_connection_ends_is_free_at_once(host: Host) -> None:
    holder = host.hold("one")
    said(holder)
    hang_up(holder)
    assert host.verdict("two", seen=host.last) == "held"


def test_the_lock_of_a_run_that_falls_silent_ends(host: Host) -> None:
    holder = host.hold("one", patience=1)
    assert said(holder) == "held"
    holder.wait(DEADLINE)
    assert host.verdict("two", seen=host.last) == "held"


def test_a_sign_of_life_keeps_the_lock(host: Host) -> None:
    holder = host.hold("one", patience=2)
    said(holder)
    until = time.monotonic() + DEADLINE

    def beaten() -> bool:
        assert holder.stdin
        holder.stdin.write("\n")
        holder.stdin.flush()
        return time.monotonic() > until

    wait_until(beaten, DEADLINE)
    assert holder.poll() is None


def test_a_host_that_another_run_has_changed_since_it_was_looked_at_is_refused(host: Host) -> None:
    holder = host.hold("one")
    said(holder)
    seen = host.last
    hang_up(holder)
    verdict, _, rest = host.verdict("two", seen=seen).partition(" ")
    assert verdict == "stale"
    assert refusal(verdict, rest).startswith("root@desk (process 4711, since 20")


def test_a_run_takes_a_lock_that_it_lost_anew_when_nobody_else_had_it(host: Host) -> None:
    holder = host.hold("one")
    said(holder)
    hang_up(holder)
    assert host.verdict("one") == "held"


def test_what_a_dead_run_left_at_work_is_waited_for(host: Host) -> None:
    holder = host.hold("one")
    said(holder)
    left = host.guarded("one", "echo working; sleep 60")
    said(left)
    holder.kill()
    after = host.hold("two", seen=host.last)
    assert said(after) == "waiting"
    os.killpg(left.pid, signal.SIGKILL)
    assert said(after) == "held"


def test_a_script_of_a_run_that_lost_its_lock_to_another_does_nothing(host: Host) -> None:
    holder = host.hold("one")
    said(holder)
    holder.kill()
    host.verdict("two", seen=host.last)
    output, _ = host.guarded("one", "echo changed").communicate()
    assert "lost its lock" in output
    assert "changed" not in output


def test_a_script_of_the_run_that_has_the_lock_runs(host: Host) -> None:
    host.verdict("one")
    assert host.guarded("one", "echo changed").communicate()[0] == "changed\n"


def test_what_a_script_starts_and_leaves_behind_holds_nobody_up(host: Host) -> None:
    holder = host.hold("one")
    said(holder)
    left = host.guarded("one", "sleep 60 >/dev/null & echo started")
    left.wait(DEADLINE)
    holder.kill()
    assert host.verdict("two", seen=host.last) == "held"
    os.killpg(left.pid, signal.SIGKILL)
