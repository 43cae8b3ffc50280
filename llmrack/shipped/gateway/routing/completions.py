"""Serves a completion (/v1/completions, the oldest dialect) through a chat, which every server has.

LiteLLM sends it to every server but Ollama at /v1/completions, which many do not have, and without
our deadlines for a stream (seen with 1.106.12). vLLM has that path, can do more there, and gets it.
"""

from __future__ import annotations

from typing import Any

from ..litellm_parts import (
    LiteLLMResponseObjectHandler,
    TextCompletionResponse,
    TextCompletionStreamWrapper,
)
from ..requests.adapt import chat
from ..requests.refusals import Refusal
from ..requests.rules import Rules

# Parameters that no chat has.
_OF_TEXTS = ("suffix", "echo", "best_of", "logprobs")


def as_chat(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """As ``adapt.chat``, for a completion, which becomes a chat.

    Raises Refusal for parameters that no chat has.
    """
    for name in _OF_TEXTS:
        if kwargs.pop(name, None):
            raise Refusal(
                f"{name} cannot be had: this model is asked by way of a chat; leave it out", name
            )
    prompt = kwargs.pop("prompt", "")
    # Several prompts have been refused before.
    text = prompt[0] if isinstance(prompt, list) else prompt
    kwargs["messages"] = [{"role": "user", "content": text}]
    count(kwargs)
    return chat(rules, declared, kwargs)


def count(kwargs: dict[str, Any]) -> None:
    """Have a stream end with counts of its tokens, for the log: LiteLLM does not count them."""
    if kwargs.get("stream"):
        kwargs["stream_options"] = {"include_usage": True}


def as_completion(answer: Any, asked: dict[str, Any]) -> Any:  # noqa: ANN401  (LiteLLM's classes)
    """The answer to ``asked`` in the form of a completion, whole or as a stream."""
    if not asked.get("stream"):
        if isinstance(answer, TextCompletionResponse):
            return answer
        return LiteLLMResponseObjectHandler.convert_chat_to_text_completion(
            response=answer, text_completion_response=TextCompletionResponse()
        )
    if isinstance(answer, TextCompletionStreamWrapper):
        answer = answer.completion_stream
    return _Stream(answer, asked["model"], asked.get("stream_options"))


class _Stream(TextCompletionStreamWrapper):
    """LiteLLM's stream, but each piece has a text, and counts of tokens only if asked for."""

    def __init__(self, chunks: Any, model: str, options: dict[str, Any] | None) -> None:  # noqa: ANN401
        super().__init__(chunks, model, {"include_usage": True})
        self._wanted = bool((options or {}).get("include_usage"))
        # Names the deployment, for a header.
        self._hidden_params = getattr(chunks, "_hidden_params", {})

    async def __anext__(self) -> TextCompletionResponse:
        async for chunk in self.completion_stream:
            if getattr(chunk, "usage", None) and not self._wanted:
                continue
            piece = self.convert_to_text_completion_object(chunk)
            for choice in piece.choices:
                choice.text = choice.text or ""
            return piece
        raise StopAsyncIteration
