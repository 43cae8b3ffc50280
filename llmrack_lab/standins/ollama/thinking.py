"""What a request may say of thinking (``ThinkValue`` in api/types.go), and if a model thinks."""

from __future__ import annotations

import json

from .errors import ApiError
from .types import JsonValue

_LEVELS = ("high", "medium", "low", "max")
_CHOICES = '"high", "medium", "low", "max", true, or false'
# What a template is told for ``true``.
_DEFAULT_LEVEL = "medium"
FAMILIES_WITH_LEVELS = ("gptoss", "gpt-oss")
"""Families of models that think always, more or less of it."""


def check_think(value: JsonValue) -> None:
    """Check the ``think`` of a request.

    Raises:
        ApiError: 400, it is no switch and no level.
    """
    if value is None or isinstance(value, bool):
        return
    if not isinstance(value, str):
        raise ApiError(400, f"think must be a boolean or string ({_CHOICES})")
    if value not in _LEVELS:
        raise ApiError(400, f"invalid think value: {json.dumps(value)} (must be {_CHOICES})")


def wants_thinking(value: JsonValue) -> bool:
    """Whether a request asks for it, so that a model which cannot think is refused."""
    return value not in (None, False)


def thinking_level(family: str, value: JsonValue) -> str | None:
    """The level at which a model that can think does so; None: not at all.

    Args:
        family: of the model.
        value: the ``think`` of the request.
    """
    if family in FAMILIES_WITH_LEVELS:
        # Harmony, the form of these models, knows no "max" and no way to switch it off.
        level = value if isinstance(value, str) else _DEFAULT_LEVEL
        return "high" if level == "max" else level
    if value is False:
        return None
    return value if isinstance(value, str) else _DEFAULT_LEVEL


def think_of_effort(effort: str) -> JsonValue:
    """OpenAI's reasoning effort as a ``think``.

    Raises:
        ApiError: 400, there is no such effort.
    """
    known = {"": None, "none": False, "minimal": "low", "xhigh": "max", "ultra": "max"}
    known |= {level: level for level in _LEVELS}
    if effort not in known:
        raise ApiError(
            400,
            f"invalid reasoning value: {json.dumps(effort)} "
            '(must be "minimal", "low", "medium", "high", "xhigh", "ultra", "max", or "none")',
        )
    return known[effort]
