"""A prompt that is longer than the context: what is dropped, and when it is refused.

After ``server/prompt.go`` (whole messages), ``llm/llama_server.go`` (the rest) and llama.cpp's
server, which refuses what still is too long.
"""

from __future__ import annotations

from dataclasses import dataclass

from .answers import count_tokens
from .errors import ApiError, RunnerError
from .types import JsonObject

_DEFAULT_KEEP = 4
_NO_ROOM = (
    "the prompt is longer than the context length currently available to the model; shorten the "
    "prompt, adjust the context length in settings, or use a model with a longer context length"
)


@dataclass(frozen=True)
class Context:
    """The context of a loaded model, and what a request says of it.

    Attributes:
        length: tokens.
        keep: ``num_keep``, the tokens that are kept from the beginning of a prompt.
        begins: whether the tokenizer puts a token before each prompt.
        truncate: whether a longer prompt is cut.
        shift: whether the context may be shifted.
    """

    length: int
    keep: int
    begins: bool
    truncate: bool
    shift: bool

    @classmethod
    def of(cls, body: JsonObject, options: JsonObject, begins: bool) -> Context:
        """Read a request's ``truncate`` and ``shift``, and the options."""
        return cls(
            length=int(options["num_ctx"]),
            keep=int(options.get("num_keep", _DEFAULT_KEEP)),
            begins=begins,
            truncate=body.get("truncate") is not False,
            shift=body.get("shift") is not False,
        )

    def fitting(self, messages: list[JsonObject]) -> tuple[list[JsonObject], int]:
        """The messages that the model is given, and how many tokens of them it sees.

        Raises:
            ApiError: 400, they are too long and must not be cut.
        """
        kept = self._last(messages) if self.truncate else messages
        count = count_tokens(kept)
        images = any(message.get("images") for message in kept)
        if count < self.length:
            return kept, count
        if not self.truncate or images:
            raise RunnerError(
                f"request ({count} tokens) exceeds the available context size "
                f"({self.length} tokens), try increasing it",
                "exceed_context_size_error",
                n_prompt_tokens=count,
                n_ctx=self.length,
            )
        if not self.shift:
            raise ApiError(400, _NO_ROOM)
        return kept, self._after_shift(count)

    def _last(self, messages: list[JsonObject]) -> list[JsonObject]:
        """As many of the last messages as fit, one at least, and all system prompts."""
        for first in range(len(messages)):
            systems = [message for message in messages[:first] if message["role"] == "system"]
            kept = [*systems, *messages[first:]]
            if count_tokens(kept) <= self.length:
                break
        return kept

    def _after_shift(self, count: int) -> int:
        """How much is left of a prompt that was cut in the middle: about half of the context."""
        keep = (count if self.keep < 0 else self.keep) + self.begins
        keep = min(keep, self.length - 1)
        return self.length - max((self.length - keep) // 2, 1)
