"""Work that pyinfra 3.10 does again and again, and whose result is the same each time."""

from __future__ import annotations

import inspect
from functools import cache, partial

from pyinfra.api import connectors, util


def install() -> None:
    """Make pyinfra read the installed packages once, and no source code for line numbers.

    To find its connectors, pyinfra reads the metadata of every installed package: five times at
    one host, and once more for each further one (2.5 ms a time with 85 packages). To order
    operations, it takes line numbers from the stack of calls. By default ``inspect`` looks up the
    lines of code, too, which searches all modules (34 ms for the first host's seven operations,
    7 ms for those of each further one; without, 1 ms).
    """
    connectors.entry_points = cache(connectors.entry_points)
    util.stack = partial(inspect.stack, 0)
    util.getframeinfo = partial(inspect.getframeinfo, context=0)
