"""The exit codes of what asks and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

FINE, NOT_FINE, NOT_ASKED = 0, 1, 2


def worst(codes: Iterable[int]) -> int:
    """1 when something is not well, else 2 when something could not be asked, else 0."""
    known = set(codes)
    return NOT_FINE if NOT_FINE in known else max(known, default=FINE)
