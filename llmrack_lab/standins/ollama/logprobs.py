"""How probable tokens were, in the shape of api/types.go; the values are made up."""

from __future__ import annotations

import math

from .errors import ApiError
from .types import JsonObject

_ALTERNATIVES = 20


def alternatives_of(body: JsonObject) -> int | None:
    """How many alternatives to each token a request wants; None: no probabilities at all.

    Raises:
        ApiError: 400, more than there can be.
    """
    count = body.get("top_logprobs") or 0
    if not 0 <= count <= _ALTERNATIVES:
        raise ApiError(400, f"top_logprobs must be between 0 and {_ALTERNATIVES}")
    return count if body.get("logprobs") else None


def logprobs(token: str, alternatives: int) -> list[JsonObject]:
    """The entry of one token; its alternatives are as many, it is the first of them."""
    entry = _entry(token, 0)
    if alternatives:
        others = [_entry(f" other{rank}", rank) for rank in range(1, alternatives)]
        return [{**entry, "top_logprobs": [entry, *others]}]
    return [entry]


def _entry(token: str, rank: int) -> JsonObject:
    return {"token": token, "logprob": math.log(0.5 ** (rank + 1)), "bytes": list(token.encode())}
