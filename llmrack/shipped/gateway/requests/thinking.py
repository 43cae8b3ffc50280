"""The level of thinking that a client asks for, in each of the dialects' parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# From least to most; OpenAI, Anthropic and Ollama know some of them each.
LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
# The levels of Anthropic's budgets of thinking tokens, as in LiteLLM 1.106.12.
_BUDGETS = ((2048, "low"), (4096, "medium"))
# The parameters that may hold the level.
NAMES = ("reasoning_effort", "reasoning", "thinking", "think", "output_config")


def asked(given: Mapping[str, Any]) -> str | None:
    """The level that a request asks for; None if it asks for none.

    + given: parameters of the request, in any dialect

    Raises ValueError with a sentence for an unknown level.
    """
    effort = given.get("reasoning_effort")
    for value in (effort, given.get("reasoning"), given.get("output_config")):
        level = value.get("effort") if isinstance(value, Mapping) else value
        if level is not None:
            return _known(level)
    thinking = given.get("thinking")
    if isinstance(thinking, Mapping):
        return _of_anthropic(thinking)
    for value in (thinking, given.get("think")):
        if isinstance(value, bool):
            return "medium" if value else "none"
        if value is not None:
            return _known(value)
    return None


def chosen(
    wanted: str | None, levels: Sequence[str], default: str | None, most: str | None
) -> str | None:
    """The level that the model is asked for; None if the model decides.

    + wanted: the client's level
    + levels: the model's levels, from least to most; empty: thinking is only on or off
    + default, most: as declared
    """
    level = wanted or default
    if level is None:
        return None
    if most:
        level = min(level, most, key=LEVELS.index)
    if not levels:
        return level
    # The model's highest level that is not above the one asked for, or else its lowest.
    rank = LEVELS.index(level)
    return next((known for known in reversed(levels) if LEVELS.index(known) <= rank), levels[0])


def _of_anthropic(thinking: Mapping[str, Any]) -> str | None:
    kind, budget = thinking.get("type"), thinking.get("budget_tokens")
    if kind == "disabled":
        return "none"
    if not isinstance(budget, int):
        # "adaptive": the model decides, and without a level it takes its own default.
        return "medium" if kind == "enabled" else None
    return next((level for tokens, level in _BUDGETS if budget <= tokens), "high")


def _known(level: object) -> str:
    if level not in LEVELS:
        raise ValueError(f"the effort of reasoning must be one of {', '.join(LEVELS)}")
    return str(level)
