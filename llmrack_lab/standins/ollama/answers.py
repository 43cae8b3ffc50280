"""The canned answers: the same request is always answered with the same words.

Every text starts with ``[<hostname> <model>]``, so that a test can tell which instance answered.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import socket

from .errors import ApiError, RunnerError
from .media import decode_image
from .types import JsonObject, JsonValue

# Options that change what a model says; an answer repeats those that it was given.
_ECHOED_OPTIONS = ("temperature", "top_p", "top_k", "seed")
_QUOTED_CHARACTERS = 200
_SCHEMA_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def marker(model: str) -> str:
    """The words that every answer starts with."""
    return f"[{socket.gethostname()} {model}]"


def tokens_of(text: str) -> list[str]:
    """Split a text into words with the blanks before them; joined they give the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


def count_tokens(messages: list[JsonObject]) -> int:
    """Length of a prompt: its words, and one for the role of each message."""
    return sum(1 + len(tokens_of(str(message.get("content") or ""))) for message in messages)


def text_answer(model: str, messages: list[JsonObject], options: JsonObject) -> list[str]:
    """A canned answer as tokens, the marker being the first.

    It repeats what the model was told: the last message, the system prompt, the sizes of images
    and the options that change what a model says.
    """
    last = messages[-1]
    parts = [
        f'This is a canned answer to the {last["role"]} message "{_quote(last.get("content"))}".'
    ]
    systems = [str(m["content"]) for m in messages if m["role"] == "system"]
    if systems:
        parts.append(f'System prompt: "{_quote(systems[-1])}".')
    images = [image for message in messages for image in message.get("images") or []]
    if images:
        sizes = ", ".join(f"{len(decode_image(image))} bytes" for image in images)
        parts.append(f"Images: {len(images)} ({sizes}).")
    echoed = [f"{name}={options[name]}" for name in _ECHOED_OPTIONS if name in options]
    if echoed:
        parts.append(f"Options: {' '.join(echoed)}.")
    return [marker(model), *tokens_of(" " + " ".join(parts))]


def thinking_text(level: str, messages: list[JsonObject]) -> list[str]:
    """What a model thinks before it answers, as tokens: at which level, and of what."""
    last = messages[-1]
    return tokens_of(f'Thinking ({level}): {last["role"]} says "{_quote(last.get("content"))}".')


def json_answer(model: str, schema: JsonValue) -> list[str]:
    """A JSON text that fits a schema, or any object for ``"json"``; texts in it start marked.

    Raises:
        ApiError: the format is neither (500), or no schema that a grammar can be made of (400).
    """
    if schema == "json":
        return tokens_of(json.dumps({"answer": marker(model)}))
    if not isinstance(schema, dict):
        quoted = json.dumps(json.dumps(schema))
        message = f'invalid format: {quoted}; expected "json" or a valid JSON Schema object'
        raise ApiError(500, message)
    if unknown := _unknown_types(schema):
        lines = "\n".join(f"Unrecognized schema: {_compact(part)}" for part in unknown)
        reason = f"JSON schema conversion failed:\n{lines}"
        raise RunnerError(f"""Field 'json_schema': "json_schema": {reason}""")
    return tokens_of(json.dumps(fill(schema, model)))


def _unknown_types(schema: JsonValue) -> list[JsonObject]:
    """The parts of a schema that have a type which there is not."""
    if not isinstance(schema, dict):
        return []
    inner = [*(schema.get("properties") or {}).values(), schema.get("items")]
    inner += [alternative for key in ("anyOf", "oneOf") for alternative in schema.get(key) or []]
    unknown = [part for nested in inner for part in _unknown_types(nested)]
    kind = schema.get("type")
    return [*unknown, schema] if isinstance(kind, str) and kind not in _SCHEMA_TYPES else unknown


def _compact(value: JsonValue) -> str:
    return json.dumps(value, separators=(",", ":"))


def tool_call(model: str, tool: JsonObject, arguments: JsonObject | None = None) -> JsonObject:
    """A call of a tool, its arguments filled after the tool's JSON schema where none are given."""
    function = tool["function"]
    identity = hashlib.sha256(json.dumps([model, tool]).encode()).hexdigest()[:8]
    return {
        "id": f"call_{identity}",
        "function": {
            "index": 0,
            "name": function["name"],
            "arguments": fill({"type": "object", **(function.get("parameters") or {})}, model)
            if arguments is None
            else arguments,
        },
    }


def fill(schema: JsonObject, model: str) -> JsonValue:
    """A value that fits the parts of JSON Schema that structured outputs and tools use."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for alternatives in ("anyOf", "oneOf"):
        if schema.get(alternatives):
            return fill(schema[alternatives][0], model)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        return {name: fill(part, model) for name, part in properties.items()}
    if kind == "array":
        return [fill(schema["items"], model)] if schema.get("items") else []
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return True
    return None if kind == "null" else marker(model)


def embedding(model: str, text: str, dimension: int) -> list[float]:
    """A unit vector that depends on the model and the text alone."""
    source = random.Random(f"{model}\n{text}")  # noqa: S311  (has to repeat, not to be secret)
    return normalized([source.gauss(0.0, 1.0) for _ in range(dimension)])


def normalized(vector: list[float]) -> list[float]:
    """The vector with length one."""
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def _quote(content: JsonValue) -> str:
    text = " ".join(str(content or "").split())
    return text if len(text) <= _QUOTED_CHARACTERS else text[:_QUOTED_CHARACTERS] + "…"
