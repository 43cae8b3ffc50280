"""Collects no garbage while LiteLLM is imported, and later only between the steps of tasks.

The import makes 700,000 objects that stay. To look for garbage among them took a third of a start
(LiteLLM 1.106.12 and Python 3.11: 7.1 s of processor time with it, 4.6 s without). The 2,300 of
them that are garbage stay, too.

Python before 3.12 collects in the middle of a step, whenever it allocates, also inside
``ContextVar.set()``. If a finalizer also sets a variable then, it frees memory that the first call
still reads, and the process dies of SIGSEGV (seen with 3.11.2, which Debian 12 has;
https://github.com/python/cpython/issues/148891). Python 3.12 and later collect between two
instructions.
"""

from __future__ import annotations

import asyncio
import gc
import sys

# Seconds between two looks at the number of objects.
PERIOD = 0.1


def collect_nothing() -> None:
    """Collect no garbage until ``collect_between_steps``."""
    gc.disable()


def collect_between_steps(loop: asyncio.AbstractEventLoop) -> None:
    """Collect for as long as the loop runs; Python 3.12 and later does so itself.

    Objects that exist already are never collected, so that they slow down no collection.
    """
    gc.freeze()
    if sys.version_info >= (3, 12):
        gc.enable()
        return
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
