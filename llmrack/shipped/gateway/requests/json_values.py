"""What JSON calls its values."""

from __future__ import annotations

import math
from typing import Any


def what(value: Any) -> str:  # noqa: ANN401  (JSON)
    """What JSON calls it: never the value itself, which may be long, or a secret."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number" if not isinstance(value, float) or math.isfinite(value) else "no number"
    names: dict[type, str] = {str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")
