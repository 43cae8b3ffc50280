"""Percentiles without the values: counts of values between bounds that are 2 % apart.

It is sent to hosts, too: Python 3.10 and its standard library.

The bounds are powers of one number, so sketches are merged by adding their counts, and a percentile
is at most 1 % from the true value (as in DDSketch, arXiv:1908.10693).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log

ERROR = 0.01
_BASE = (1 + ERROR) / (1 - ERROR)
_STEPS = 1 / log(_BASE)
# Seconds; smaller values count as this one.
LEAST = 1e-6

# For each pair of bounds, by the upper one's exponent, how many values fell between them.
Counts = dict[int, int]


def step(seconds: float) -> int:
    """The exponent of the bound below which a value is counted."""
    return ceil(log(seconds if seconds > LEAST else LEAST) * _STEPS)


def merge(into: Counts, more: Mapping[int, int]) -> None:
    """Add counts to counts."""
    for key, count in more.items():
        into[key] = into.get(key, 0) + count


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The value that ``share`` of all (0.95: 95 %) do not exceed; None without any value."""
    rank = share * sum(counts.values())
    passed = 0
    for key in sorted(counts):
        passed += counts[key]
        if passed >= rank:
            return float(2 * _BASE**key / (_BASE + 1))
    return None
