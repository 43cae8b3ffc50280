"""Tools in the forms of Anthropic and of OpenAI's responses that are no functions.

The gateway puts a request as a chat, and a chat has functions alone. A tool that the program itself
carries out can be one, whatever its form. One that a provider's own service carries out cannot: no
provider is given it, and the gateway carries out none. LiteLLM would send some of them on as they
are, and reach out itself for others: to an MCP server, to a store of vectors (seen with 1.106.12).
Names: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview and the types of
``Tool`` in openai/openai-python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Agents offer these to every model and do without them: left out, as long as others stay.
_SPARED = (
    "web_search",
    "web_fetch",
    "image_generation",
    "local_shell",
    "tool_search",
)
# By the last part of the path: the types that can be a function; None where it is not said.
_TAKEN = {
    "messages": (None, "custom"),
    "count_tokens": (None, "custom"),
    "responses": ("function", "custom", "namespace"),
}
# What Anthropic's service does with a tool: none of the model's affair.
_NOTES = ("defer_loading", "eager_input_streaming", "allowed_callers", "input_examples")


def mistake(ending: str, tools: Sequence[dict[str, Any]]) -> str | None:
    """Why tools cannot be had, as a sentence; None where they can, or are left out.

    + ending: the last part of the path
    """
    if ending not in _TAKEN:
        return None
    for number, tool in enumerate(tools):
        kind = tool.get("type")
        if kind not in _TAKEN[ending] and not _is_spared(kind):
            return _refusal(number, kind)
    if tools and all(_is_spared(tool.get("type")) for tool in tools):
        return _refusal(0, tools[0]["type"])
    return None


def split(tools: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The tools that a model is given, and the types of those that are left out."""
    kept, left_out = [], []
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if _is_spared(kind):
            left_out.append(str(kind))
        elif isinstance(tool, dict):
            kept.append({name: value for name, value in tool.items() if name not in _NOTES})
        else:
            kept.append(tool)
    return kept, left_out


def _is_spared(kind: object) -> bool:
    # Anthropic's have a date at their end, OpenAI's some.
    return isinstance(kind, str) and kind.startswith(_SPARED)


def _refusal(number: int, kind: object) -> str:
    return (
        f"tools[{number}] is of type {str(kind)[:40]}, which a provider's own service carries out, "
        "and none that is asked here does; leave it out, or offer a function"
    )
