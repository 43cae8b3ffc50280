"""What a lab has made in the kernel, written down before it is made."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from llmrack_lab.shell import LabError, Progress

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Owned:
    """A write-ahead list of (kind, name): bridges, namespaces, firewall tables, cgroups.

    A name is added before the thing is made, so whatever a killed command leaves behind is on the
    list; a thing that exists and is not on the list belongs to somebody else. Entries of an
    earlier boot are ignored: the kernel has forgotten those things, and their names are free.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._boot = BOOT_ID.read_text().strip()

    def names(self, kind: str) -> list[str]:
        """Names of one kind, in the order in which they were made."""
        return [name for entry, name in self._entries() if entry == kind]

    def add(self, kind: str, name: str) -> None:
        """Put a name on the list, on disk before this returns. Twice is once."""
        if (kind, name) in self._entries():
            return
        with self._file.open("a") as sink:
            sink.write(f"{self._boot} {kind} {name}\n")
            sink.flush()
            os.fsync(sink.fileno())

    def has(self, kind: str, name: str) -> bool:
        """Whether the lab made this."""
        return (kind, name) in self._entries()

    def _entries(self) -> list[tuple[str, str]]:
        if not self._file.exists():
            return []
        lines = (line.split(" ", 2) for line in self._file.read_text().splitlines())
        # A line cut short by a crash was never followed by the thing it announces.
        whole = (words for words in lines if len(words) == 3)
        return [(kind, name) for boot, kind, name in whole if boot == self._boot]


@contextlib.contextmanager
def locked(file: Path, progress: Progress, deadline: float = 600) -> Iterator[None]:
    """Hold the lock `file` while the body runs; wait for another holder up to `deadline` seconds.

    The kernel frees it when the holder dies. Raises LabError when the deadline passes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    started, announced = time.monotonic(), 0.0
    while True:
        with file.open("a") as handle:
            if _try_lock(handle.fileno()) and _is_same(handle.fileno(), file):
                yield
                return
        waited = time.monotonic() - started
        if waited > deadline:
            raise LabError(f"{file} is held by another lab command; wait for it or end it")
        if not announced or waited - announced > 2:
            announced = waited or 0.001
            progress(f"waiting for another lab command ({waited:.0f} s)")
        time.sleep(0.1)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(descriptor: int, file: Path) -> bool:
    # `down` removes the lock file while it holds it.
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
