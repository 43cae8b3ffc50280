"""Collect garbage between the steps of tasks; Python before 3.12 does it in the middle of one.

That Python collects wherever it allocates, also inside ``ContextVar.set()``. If a finalizer sets a
variable there, too, it frees what the first call still reads, and the process dies of SIGSEGV
(seen with 3.11.2, which Debian 12 has; https://github.com/python/cpython/issues/148891).
Python 3.12 and later collect between two instructions.
"""

from __future__ import annotations

import asyncio
import gc
import sys

# Seconds between two looks at how much there is.
PERIOD = 0.1


def collect_between_steps(loop: asyncio.AbstractEventLoop) -> None:
    """Begin, where Python is that old; it goes on for as long as the loop runs.

    What exists already is never collected: no later collection takes long because of it.
    """
    if sys.version_info >= (3, 12):
        return
    gc.collect()
    gc.freeze()
    gc.disable()
    loop.call_later(PERIOD, _collect, loop)


def _collect(loop: asyncio.AbstractEventLoop) -> None:
    # Python counts on while it does not collect by itself.
    counts, thresholds = gc.get_count(), gc.get_threshold()
    for generation in (2, 1, 0):
        if counts[generation] > thresholds[generation] > 0:
            gc.collect(generation)
            break
    loop.call_later(PERIOD, _collect, loop)
