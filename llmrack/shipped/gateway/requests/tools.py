"""Tools in the forms of Anthropic and of OpenAI's responses that are no functions.

The gateway turns a request into a chat, in which every tool is a function. A tool that the client's
program carries out can become one. A tool that a provider's own service carries out cannot, and is
sent to no provider. LiteLLM would pass some of them on unchanged, and connect to an MCP server or a
store of vectors for others (seen with 1.106.12).
Names: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview and the types of
``Tool`` in openai/openai-python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Agents offer these to every model and can do without them: left out, if other tools remain.
_SPARED = (
    "web_search",
    "web_fetch",
    "image_generation",
    "local_shell",
    "tool_search",
)
# By the last part of the path: the types that can become a function; None: no type is given.
_TAKEN = {
    "messages": (None, "custom"),
    "count_tokens": (None, "custom"),
    "responses": ("function", "custom", "namespace"),
}
# Fields for Anthropic's service, which no model needs.
_NOTES = ("defer_loading", "eager_input_streaming", "allowed_callers", "input_examples")


def mistake(ending: str, tools: Sequence[dict[str, Any]]) -> str | None:
    """Why a request's tools are refused, as a sentence; None if they are not.

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
