"""A host's lock, as the run that holds it knows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyinfra.api import QuoteString, StringCommand

HELD = "/run/llmrack/lock"
BUSY = "/run/llmrack/busy"
# The run that changed the host last: its id, who, process, when, and whether it has ended.
LAST_RUN = "/var/lib/llmrack/last-run"
_STILL_HELD = (
    f'read -r by rest <{HELD}; [ "$by" = {{run}} ] || '
    "{{ echo 'this run was silent for so long that it lost its lock: run it again'; exit 1; }}; "
    'exec "$@"'
)


@dataclass(frozen=True)
class Lock:
    """A host's lock.

    + run: the id of the run that has it
    + is_lost: whether the process that holds it on the host has ended
    """

    run: str
    is_lost: Callable[[], bool]


def guarded(lock: Lock | None, command: StringCommand) -> StringCommand:
    """``command`` so that it runs only while this run has the lock, if it took it at all.

    The next run waits for it; what it starts and leaves behind (``-o``) is not waited for.
    """
    if lock is None:
        return command
    check = QuoteString(_STILL_HELD.format(run=lock.run))
    return StringCommand("flock", "-s", "-o", BUSY, "sh", "-c", check, "sh", command)
