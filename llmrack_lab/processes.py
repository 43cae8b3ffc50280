"""The lab's long-running processes: each carries the lab's mark in its environment.

A process is found by its mark, never by a remembered number, so a recycled process id is no danger:
the mark is read through the very handle (pidfd) that the signal goes to.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmrack_lab.shell import LabError

MARK = "LLMRACK_LAB_PROCESS"


@dataclass(frozen=True)
class Process:
    """A live process of a lab: `role` is what it is for (`box1`, `registry`, ...)."""

    pid: int
    role: str

    @property
    def is_init(self) -> bool:
        """Whether it is a host's first process: PID 1 in the inner of two process namespaces."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("NSpid:") and line.split()[3:] == ["1"] for line in lines)


def mark(lab_id: str, role: str) -> str:
    """The value of MARK for a process of this lab."""
    return f"{lab_id}:{role}"


def start(
    argv: Sequence[str | Path],
    *,
    lab_id: str,
    role: str,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> None:
    """Start a process that outlives this one, in a session of its own, its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        # setsid --fork hands the process to init: no zombie stays with a long-lived caller.
        subprocess.run(  # noqa: S603  (no shell, the lab's own words)
            ["setsid", "--fork", *map(str, argv)],  # noqa: S607  (PATH is root's own)
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={**os.environ, **(env or {}), MARK: mark(lab_id, role)},
            check=True,
        )


def find(lab_id: str, role: str | None = None) -> list[Process]:
    """Live processes that carry this lab's mark, of one role or of all."""
    marked = ((pid, _role(pid, lab_id)) for pid in _pids())
    return [Process(pid, name) for pid, name in marked if name and role in (None, name)]


def inside(namespace: Path) -> list[int]:
    """Process ids that live in a named network namespace (`/run/netns/NAME`)."""
    try:
        wanted, current = namespace.stat(), Path("/proc/self/ns/net").stat()
    except OSError:
        return []
    if os.path.samestat(wanted, current):
        return []
    return [pid for pid in _pids() if _same_namespace(pid, wanted)]


def kill(lab_id: str, role: str | None = None, namespaces: Sequence[Path] = ()) -> None:
    """SIGKILL the lab's processes (of one role or all) and those inside the given namespaces.

    Returns when they are gone; raises LabError naming those that are not after 30 s.
    """
    deadline = time.monotonic() + 30
    while True:
        pids = [process.pid for process in find(lab_id, role)]
        pids += [pid for namespace in namespaces for pid in inside(namespace)]
        if not pids:
            return
        if time.monotonic() > deadline:
            raise LabError(f"processes {sorted(set(pids))} do not die; look at them with ps")
        for pid in dict.fromkeys(pids):
            _kill_one(pid, lab_id, namespaces)


def send(process: Process, lab_id: str, number: int) -> int | None:
    """Send a signal to that very process.

    Returns its pidfd, which the caller closes; None if the process is gone.
    """
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if _role(process.pid, lab_id) != process.role:
        os.close(handle)
        return None
    signal.pidfd_send_signal(handle, number)
    return handle


def has_ended(handle: int) -> bool:
    """Whether the process behind a pidfd has ended."""
    return bool(select.select([handle], [], [], 0)[0])


def _kill_one(pid: int, lab_id: str, namespaces: Sequence[Path]) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _role(pid, lab_id) is not None or any(pid in inside(path) for path in namespaces):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], 5)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _role(pid: int, lab_id: str) -> str | None:
    prefix = f"{MARK}={lab_id}:".encode()
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((word[len(prefix) :].decode() for word in words if word.startswith(prefix)), None)


def _same_namespace(pid: int, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(Path(f"/proc/{pid}/ns/net").stat(), wanted)
    except OSError:
        return False
