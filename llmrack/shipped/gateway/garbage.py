"""Collects garbage between the steps of tasks; Python before 3.12 does it in the middle of one.

Such a Python collects whenever it allocates, also inside ``ContextVar.set()``. If a finalizer also
sets a variable then, it frees memory that the first call still reads, and the process dies of
SIGSEGV (seen with 3.11.2, which Debian 12 has; https://github.com/python/cpython/issues/148891).
Python 3.12 and later collect between two instructions.
"""

from __future__ import annotations

import asyncio
import gc
import sys

# Seconds between two looks at the number of objects.
PERIOD = 0.1


def collect_between_steps(loop: asyncio.AbstractEventLoop) -> None:
    """Collect for as long as the loop runs; does nothing in Python 3.12 and later.

    Objects that exist already are never collected, so that they slow down no collection.
    """
    if sys.version_info >= (3, 12):
        return
    gc.collect()
    gc.freeze()
    gc.disable()
    loop.call_later(PERIOD, _collect, loop)


def _collect(loop: asyncio.AbstractEventLoop) -> None:
    # Python goes on counting while its own collection is disabled.
    counts, thresholds = gc.get_count(), gc.get_threshold()
    for generation in (2, 1, 0):
        if counts[generation] > thresholds[generation] > 0:
            gc.collect(generation)
            break
    loop.call_later(PERIOD, _collect, loop)
