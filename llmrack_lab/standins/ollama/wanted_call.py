"""Which tool a stand-in calls: the one that the prompt asks for, or the first one offered.

A real model chooses by what it is told. A stand-in is told in so many words: ``[call NAME {JSON}]``
in a message of the user. Where the tool NAME is not offered, it answers with text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from .types import JsonObject, JsonValue

_MARK = re.compile(r"\[call (\S+) (?=\{)")


def wanted_call(
    functions: Sequence[JsonObject], messages: Sequence[JsonObject]
) -> tuple[JsonObject, JsonObject | None]:
    """The function to call, empty for none, and its arguments (None: to fill after its schema).

    + functions: that are offered, in OpenAI's form: name, description, parameters
    + messages: of a chat, in OpenAI's or Ollama's form
    """
    if not functions or not messages:
        return {}, None
    mark: tuple[str, JsonObject] | None = None
    for message in messages:
        if message.get("role") == "user":
            mark = _mark(message.get("content")) or mark
        elif message.get("role") == "tool" and mark:
            # It has been called.
            mark = ("", {})
    if mark:
        name, arguments = mark
        return next((function for function in functions if function["name"] == name), {}), arguments
    return (functions[0] if messages[-1].get("role") == "user" else {}), None


def _mark(content: JsonValue) -> tuple[str, JsonObject] | None:
    """The last mark in a message, which is a text or a list of parts."""
    parts = content if isinstance(content, list) else [{"text": content}]
    text = "\n".join(str(part.get("text") or "") for part in parts)
    call = None
    for match in _MARK.finditer(text):
        try:
            arguments, end = json.JSONDecoder().raw_decode(text, match.end())
        except ValueError:
            continue
        if text[end : end + 1] == "]":
            call = match[1], arguments
    return call
