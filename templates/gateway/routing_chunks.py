"""What a chunk of a stream says, in each of the forms that LiteLLM's providers give it."""

from __future__ import annotations

from typing import Any


def says(chunk: Any) -> bool:  # noqa: ANN401  (LiteLLM has no type for all of them)
    """Whether there is something of an answer in it: some servers begin with an empty one."""
    if isinstance(chunk, dict):
        return bool(chunk.get("text") or chunk.get("tool_use") or chunk.get("is_finished"))
    for choice in getattr(chunk, "choices", None) or ():
        delta = getattr(choice, "delta", None)
        given = dict(delta) if delta is not None else {}
        if getattr(choice, "finish_reason", None) or any(
            value for name, value in given.items() if name != "role"
        ):
            return True
    return False


def text(said: Any) -> str:  # noqa: ANN401  (as above)
    """What is said in it in words; of a whole answer, too."""
    if isinstance(said, dict):
        return str(said.get("text") or "")
    for choice in getattr(said, "choices", None) or ():
        part = getattr(choice, "delta", None) or getattr(choice, "message", None)
        return str(getattr(part, "content", None) or "")
    return ""


def finish_reason(chunk: Any) -> bool:  # noqa: ANN401  (as above)
    """Whether it says that the answer is whole."""
    if isinstance(chunk, dict):
        return bool(chunk.get("is_finished") or chunk.get("finish_reason"))
    choices = getattr(chunk, "choices", None) or ()
    return any(getattr(choice, "finish_reason", None) for choice in choices)
