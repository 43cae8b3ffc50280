"""Reads the chunks of a stream, in each of the forms of LiteLLM's providers."""

from __future__ import annotations

from typing import Any


def says(chunk: Any) -> bool:  # noqa: ANN401  (LiteLLM has no type for all of them)
    """Whether a chunk has a part of the answer: some servers begin with an empty one."""
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


def text(answer: Any) -> str:  # noqa: ANN401  (as above)
    """The text of a chunk, or of a whole answer."""
    if isinstance(answer, dict):
        return str(answer.get("text") or "")
    for choice in getattr(answer, "choices", None) or ():
        part = getattr(choice, "delta", None) or getattr(choice, "message", None)
        return str(getattr(part, "content", None) or "")
    # Of a transcription.
    heard = getattr(answer, "text", None)
    return heard if isinstance(heard, str) else ""


class Repeats:
    """Counts how often a stream repeats one token.

    Ollama ends an answer after it has repeated a token 32 times, and does not mark its end
    (llm/llama_server.go at v0.33). The model causes that, so it is no failure of the server.
    """

    # Fewer than 32: a chunk may hold several tokens.
    MANY = 24

    def __init__(self) -> None:
        self._last, self._count = "", 0

    def see(self, chunk: Any) -> None:  # noqa: ANN401  (as above)
        """Take a chunk into account."""
        words = text(chunk).strip() or _thought(chunk).strip()
        self._count = self._count + 1 if words == self._last else 0
        self._last = words

    @property
    def many(self) -> bool:
        """Whether the last token came so often that Ollama may have ended the answer."""
        return self._count >= self.MANY


def _thought(chunk: Any) -> str:  # noqa: ANN401  (as above)
    for choice in getattr(chunk, "choices", None) or ():
        return str(getattr(getattr(choice, "delta", None), "reasoning_content", None) or "")
    return ""


def finish_reason(chunk: Any) -> bool:  # noqa: ANN401  (as above)
    """Whether a chunk marks the end of the answer."""
    if isinstance(chunk, dict):
        return bool(chunk.get("is_finished") or chunk.get("finish_reason"))
    choices = getattr(chunk, "choices", None) or ()
    return any(getattr(choice, "finish_reason", None) for choice in choices)
