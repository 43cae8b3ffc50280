"""A completion (/v1/completions, the oldest dialect) by way of a chat, which every server has.

LiteLLM asks every server but Ollama for it at /v1/completions, which many do not have, and knows no
deadline of ours for a stream (seen with 1.106.12). vLLM has it, can do more there, and is asked so.
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

# What no chat can do.
_OF_TEXTS = ("suffix", "echo", "best_of", "logprobs")


def as_chat(rules: Rules, declared: dict[str, Any], kwargs: dict[str, Any]) -> list[str]:
    """Make ``kwargs`` a chat that says the same, as the deployment takes it; see request_adapt.

    Refusal where there is none.
    """
    for name in _OF_TEXTS:
        if kwargs.pop(name, None):
            raise Refusal(
                f"{name} cannot be had: this model is asked by way of a chat; leave it out", name
            )
    prompt = kwargs.pop("prompt", "")
    # More than one is refused before.
    text = prompt[0] if isinstance(prompt, list) else prompt
    kwargs["messages"] = [{"role": "user", "content": text}]
    count(kwargs)
    return chat(rules, declared, kwargs)


def count(kwargs: dict[str, Any]) -> None:
    """Have a stream end with its tokens, for the log: LiteLLM counts none in a text."""
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
    """LiteLLM's, but each piece has a text, and tokens come to those alone who ask for them."""

    def __init__(self, chunks: Any, model: str, options: dict[str, Any] | None) -> None:  # noqa: ANN401
        super().__init__(chunks, model, {"include_usage": True})
        self._wanted = bool((options or {}).get("include_usage"))
        # Who answers, for a header.
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
