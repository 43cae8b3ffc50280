"""The words for JSON's values in messages."""

from __future__ import annotations

import math
from typing import Any


def type_word(value: Any) -> str:  # noqa: ANN401  (JSON)
    """The word for a value's type; never the value itself, which may be long, or a secret."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number" if not isinstance(value, float) or math.isfinite(value) else "no number"
    names: dict[type, str] = {str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")


def must_be(name: str, wanted: str, value: Any) -> str:  # noqa: ANN401  (JSON)
    """The sentence for a value of the wrong type; ``wanted`` are the words for the right one."""
    return f"{name} must be {wanted}; it is {type_word(value)}"
