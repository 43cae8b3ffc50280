"""Ctrl-C in a program of greenlets."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

import gevent


class Interrupts:
    """Inside its ``with`` an interrupt is raised in the greenlet that entered it, and in no other.

    By itself KeyboardInterrupt is raised in whichever greenlet runs just then: in one of SSH's it
    ends a connection, or nothing at all, and the run goes on as if nobody had asked it to end.
    """

    def __init__(self) -> None:
        """Nothing is changed before it is entered."""
        self._asked = self._held = False

    def __enter__(self) -> Self:
        self._greenlet = gevent.getcurrent()
        self._before = signal.getsignal(signal.SIGINT)
        # Ignored is what a shell starts in the background: it is no business of such a program's.
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._came)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What must not be cut short; what came meanwhile is raised after it, unless it failed."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._asked:
            raise KeyboardInterrupt

    def _came(self, signum: int, frame: FrameType | None) -> None:
        # Once is enough: a second one would keep from being restored what the first one has ended.
        first, self._asked = not self._asked, True
        if first and not self._held:
            loop = gevent.get_hub().loop
            loop.run_callback_threadsafe(self._greenlet.throw, KeyboardInterrupt)
