"""How hard a model shall think, from each of the ways in which clients say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# From least to most; OpenAI, Anthropic and Ollama each know some of them.
LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
# What Anthropic's budget of thinking tokens stands for; as LiteLLM 1.106.12 has it.
_BUDGETS = ((2048, "low"), (4096, "medium"))
# Names by which requests say it.
NAMES = ("reasoning_effort", "reasoning", "thinking", "think", "output_config")


def asked(given: Mapping[str, Any]) -> str | None:
    """The level that a request asks for; None where it does not say.

    + given: parameters of the request, of any form

    ValueError with a sentence where it is none.
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
    """The level that the model is asked for; None where it is its own affair.

    + wanted: by the client
    + levels: that the model knows, from least to most; none of them: it thinks, or it does not
    + default, most: as declared
    """
    level = wanted or default
    if level is None:
        return None
    if most:
        level = min(level, most, key=LEVELS.index)
    if not levels:
        return level
    # The highest to its highest, and no more than was asked for where there is a choice.
    rank = LEVELS.index(level)
    return next((known for known in reversed(levels) if LEVELS.index(known) <= rank), levels[0])


def _of_anthropic(thinking: Mapping[str, Any]) -> str | None:
    kind, budget = thinking.get("type"), thinking.get("budget_tokens")
    if kind == "disabled":
        return "none"
    if not isinstance(budget, int):
        # "adaptive": the model's own affair, and without a level its own default.
        return "medium" if kind == "enabled" else None
    return next((level for tokens, level in _BUDGETS if budget <= tokens), "high")


def _known(level: object) -> str:
    if level not in LEVELS:
        raise ValueError(f"the effort of reasoning must be one of {', '.join(LEVELS)}")
    return str(level)
