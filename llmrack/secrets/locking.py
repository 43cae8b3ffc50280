"""Lets one llmrack at a time change a file."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmrack.problems import unusable

DEADLINE = 30.0
_PAUSE = 0.02


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Keep other llmracks from changing the files in the file's folder within the block.

    The folder is locked, since files are replaced and not written. Raises DeclarationError if there
    is no folder, or if another llmrack locks it for 30 s.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        cause = f"cannot be there: its folder cannot be opened ({error.strerror})"
        raise unusable(path, cause, "correct the path") from None
    try:
        _lock(folder, path)
        yield
    finally:
        # gevent closes the folder later; a second lock of this process before that would wait.
        fcntl.flock(folder, fcntl.LOCK_UN)
        os.close(folder)


def _lock(handle: int, path: Path) -> None:
    end = time.monotonic() + DEADLINE
    while True:
        try:
            # Not a lock that waits: under gevent that would stop all of the process.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                cause = f"is being changed by another llmrack for {DEADLINE:.0f} s"
                raise unusable(path, cause, "wait for it, or end it") from None
        time.sleep(_PAUSE)
