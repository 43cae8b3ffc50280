"""The ``options`` of a request: which there are and of which type (``Options`` in api/types.go)."""

from __future__ import annotations

from .errors import ApiError
from .types import JsonObject, JsonValue

_INTEGERS = (
    *("num_keep", "seed", "num_predict", "top_k", "repeat_last_n"),
    *("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"),
)
_NUMBERS = (
    *("top_p", "min_p", "typical_p", "temperature"),
    *("repeat_penalty", "presence_penalty", "frequency_penalty"),
)
_TYPES = {
    **dict.fromkeys(_INTEGERS, "integer"),
    **dict.fromkeys(_NUMBERS, "float32"),
    "use_mmap": "boolean",
    "stop": "array",
}
_PYTHON: dict[str, type | tuple[type, ...]] = {
    "integer": (int, float),
    "float32": (int, float),
    "boolean": bool,
    "array": list,
}

# An answer without an end of its own is cut after so many contexts (llm/llama_server.go).
_LONGEST_ANSWER_CONTEXTS = 10


def check_options(options: JsonObject) -> None:
    """Check the types of options; unknown ones are left alone, as Ollama does.

    Raises:
        ApiError: 500, an option has another type.
    """
    for name, value in options.items():
        kind = _TYPES.get(name)
        if kind is None or value is None:
            continue
        if not isinstance(value, _PYTHON[kind]) or (kind != "boolean" and isinstance(value, bool)):
            raise ApiError(500, f'option "{name}" must be of type {kind}')
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ApiError(500, f'option "{name}" must be of an array of strings')


def merged(parameters: JsonObject, options: JsonValue) -> JsonObject:
    """The options of a model, overlaid by those of a request.

    Raises:
        ApiError: 500, an option has another type.
    """
    overlaid: JsonObject = {}
    for layer in (parameters, options or {}):
        check_options(layer)
        overlaid |= {name: value for name, value in layer.items() if value is not None}
    return overlaid


def most_tokens(options: JsonObject) -> int:
    """How many tokens an answer has at most: ``num_predict``, within ten contexts."""
    longest = _LONGEST_ANSWER_CONTEXTS * int(options["num_ctx"])
    wanted = int(options.get("num_predict") or -1)
    return wanted if 0 < wanted < longest else longest
