"""Which types the fields of a request have, and what Go says of another one.

Ollama reads requests with ``encoding/json`` into the structures of ``api/types.go``,
``openai/openai.go`` and ``anthropic/anthropic.go``. Fields that are not listed here may be
anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import ApiError
from .types import JsonObject, JsonValue

Fields = Mapping[str, str]
"""Name of a field, and its type as Go writes it."""

_COMMON = {
    "model": "string",
    "stream": "bool",
    "options": "map[string]interface {}",
    "truncate": "bool",
    "shift": "bool",
    "logprobs": "bool",
    "top_logprobs": "int",
}
CHAT: Fields = {**_COMMON, "messages": "[]api.Message", "tools": "api.Tools"}
GENERATE: Fields = {
    **_COMMON,
    **dict.fromkeys(("prompt", "suffix", "system", "template"), "string"),
    "raw": "bool",
    "images": "[]api.ImageData",
}
EMBED: Fields = {
    "model": "string",
    "options": "map[string]interface {}",
    "truncate": "bool",
    "dimensions": "int",
}
OPENAI_CHAT: Fields = {
    "model": "string",
    "messages": "[]openai.Message",
    "stream": "bool",
    "stream_options": "openai.StreamOptions",
    "max_tokens": "int",
    "seed": "int",
    "temperature": "float64",
    "frequency_penalty": "float64",
    "presence_penalty": "float64",
    "top_p": "float64",
    "response_format": "openai.ResponseFormat",
    "tools": "[]api.Tool",
    "reasoning": "openai.Reasoning",
    "reasoning_effort": "string",
    "logprobs": "bool",
    "top_logprobs": "int",
}
OPENAI_COMPLETION: Fields = {
    **{name: OPENAI_CHAT[name] for name in ("model", "stream", "stream_options", "max_tokens")},
    **dict.fromkeys(("temperature", "top_p", "frequency_penalty", "presence_penalty"), "float32"),
    "prompt": "string",
    "suffix": "string",
    "seed": "int",
    "logprobs": "int",
}
OPENAI_EMBED: Fields = {"model": "string", "dimensions": "int", "encoding_format": "string"}
RESPONSES: Fields = {
    "model": "string",
    "background": "bool",
    "include": "[]string",
    "instructions": "string",
    "max_output_tokens": "int",
    "reasoning": "openai.ResponsesReasoning",
    "temperature": "float64",
    "text": "openai.ResponsesText",
    "top_p": "float64",
    "truncation": "string",
    "tools": "[]openai.ResponsesTool",
    "stream": "bool",
}
MESSAGES: Fields = {
    "model": "string",
    "max_tokens": "int",
    "messages": "[]anthropic.MessageParam",
    "stream": "bool",
    "temperature": "float64",
    "top_p": "float64",
    "top_k": "int",
    "stop_sequences": "[]string",
    "tools": "[]anthropic.Tool",
    "thinking": "anthropic.ThinkingConfig",
    "output_config": "anthropic.OutputConfig",
}
_MESSAGE: Fields = {"role": "string", "content": "string", "images": "[]api.ImageData"}


def bind(body: JsonObject, structure: str, fields: Fields) -> None:
    """Check the types of a request's fields, and of the messages in it.

    Args:
        body: the request.
        structure: name of Go's structure, such as ``ChatRequest``.
        fields: the types of its fields.

    Raises:
        ApiError: 400, a field has another type.
    """
    for name, value in body.items():
        kind = fields.get(name)
        if kind is None or value is None:
            continue
        _check(value, kind, f"{structure}.{name}")
        if kind.startswith("[]") and kind != "[]api.ImageData":
            for item in value:
                # api.Message reads itself by way of a type that it calls Alias.
                _check(item, kind[2:].replace("api.Message", "api.Alias"), f"{structure}.{name}")
        if kind == "[]api.Message":
            for message in value:
                for key in _MESSAGE.keys() & message.keys():
                    if message[key] is not None:
                        _check(message[key], _MESSAGE[key], f"{structure}.{name}.{key}")


def _check(value: JsonValue, kind: str, field: str) -> None:
    if not _fits(value, kind):
        described = _described(value, kind)
        raise ApiError(
            400, f"json: cannot unmarshal {described} into Go struct field {field} of type {kind}"
        )


def _fits(value: JsonValue, kind: str) -> bool:
    if kind in ("string", "bool"):
        return isinstance(value, str if kind == "string" else bool)
    if kind in ("int", "float32", "float64"):
        number = int if kind == "int" else (int, float)
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, list if kind.startswith("[]") or kind == "api.Tools" else dict)


def _described(value: JsonValue, kind: str) -> str:
    """A JSON value in the words of ``encoding/json``."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        # A number is repeated where another kind of number is needed.
        return f"number {value}" if kind == "int" else "number"
    names: dict[type, str] = {str: "string", list: "array", dict: "object"}
    return names[type(value)]
