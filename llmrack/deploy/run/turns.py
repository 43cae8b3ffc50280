"""Whose turn it is to restart an engine: one host first, then the others in batches."""

from __future__ import annotations

from collections.abc import Callable, Collection

from gevent.event import Event

# Seconds between two signs that a host still waits.
PACE = 1.5


class Turns:
    """One for all hosts of a run, whose operations run at the same time, in greenlets.

    + failed: the host whose work failed first; empty while none has
    + begun: names of the hosts that have had their turn, or have it
    """

    def __init__(self) -> None:
        self.failed = ""
        self.begun: set[str] = set()
        self._at_work: set[str] = set()
        self._has_passed = False
        self._changed = Event()

    @property
    def at_work(self) -> Collection[str]:
        """Names of the hosts whose turn it is."""
        return self._at_work

    def turn(
        self,
        host: str,
        batch: Callable[[], int],
        work: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> bool | None:
        """Do ``work`` when it is the turn of ``host``.

        + batch: how many hosts may work at the same time, once the first has passed alone; 0 while
          ``host`` has to wait for others that have not begun
        + waiting: called every ``PACE`` seconds until it is its turn

        Returns whether it went well; None when another host had failed, so that it did not begin.
        """
        while not self.failed and len(self._at_work) >= min(
            batch(), len(self._at_work) + 1 if self._has_passed else 1
        ):
            waiting()
            self._changed.wait(PACE)
        if self.failed:
            return None
        self._at_work.add(host)
        self.begun.add(host)
        went_well = False
        try:
            went_well = work()
            return went_well
        finally:
            self._at_work.remove(host)
            self._has_passed = self._has_passed or went_well
            self.failed = self.failed or ("" if went_well else host)
            ended, self._changed = self._changed, Event()
            ended.set()
