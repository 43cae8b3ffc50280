"""What a provider stand-in says: canned, deterministic, and marked with who said it."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

JSON = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """A model that a stand-in pretends to serve.

    `dimensions` is the length of its embeddings; 0 means that it answers otherwise. `answers` is
    the kind of its other answers: chat, transcription, speech, rerank or image.
    """

    name: str
    dimensions: int = 0
    vision: bool = False
    answers: str = "chat"
    thinking: bool = False

    @property
    def kind(self) -> str:
        """What it is for."""
        return "embedding" if self.dimensions else self.answers


@dataclass(frozen=True)
class Prompt:
    """One request for text, whichever API form it came in.

    `limit` is the most words to say (None: all); `schema` is a JSON schema that the text has to
    fit (None: free text); `tool` is the function (name, description, parameters) to call instead,
    with `arguments` (None: filled after its parameters).
    """

    text: str
    images: Sequence[bytes] = ()
    limit: int | None = None
    schema: JSON | None = None
    tool: JSON | None = None
    arguments: JSON | None = None


@dataclass(frozen=True)
class Answer:
    """What was said. `words` joined give the text; one word counts as one token."""

    words: list[str]
    tool_arguments: JSON | None
    prompt_tokens: int
    finish_reason: Literal["stop", "length"]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.words)


def answer(label: str, stands_for: str, model: str, prompt: Prompt) -> Answer:
    """Answer `prompt` in the name of `model`; every text starts with `[label model]`."""
    marker = f"[{label} {model}]"
    prompt_tokens = max(1, len(prompt.text.split()))
    if prompt.tool is not None:
        arguments = prompt.arguments
        if arguments is None:
            arguments = fill(prompt.tool.get("parameters") or {}, marker)
        return Answer([], arguments, prompt_tokens, "stop")
    if prompt.schema is not None:
        text = json.dumps(fill(prompt.schema, marker))
    else:
        seen = "".join(f" It was sent an image of {len(image)} bytes." for image in prompt.images)
        text = f"{marker} This is a stand-in of {stands_for}, not a model.{seen} "
        text += "It says the same to everyone, whatever they ask."
    words = [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]
    if prompt.limit is not None and prompt.limit < len(words):
        return Answer(words[: prompt.limit], None, prompt_tokens, "length")
    return Answer(words, None, prompt_tokens, "stop")


def fill(schema: JSON, text: str, root: JSON | None = None) -> Any:  # noqa: ANN401  (any JSON)
    """Return a value that fits a JSON schema: every property filled, strings with `text`."""
    root = schema if root is None else root
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return fill(target, text, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return fill(schema[choice][0], text, root)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties: dict[str, JSON] = schema.get("properties") or {}
        return {name: fill(part, text, root) for name, part in properties.items()}
    if kind == "array":
        return [fill(schema.get("items") or {}, text, root)] * max(1, schema.get("minItems", 1))
    scalars: JSON = {"boolean": True, "null": None, "integer": 1, "number": 1.0}
    return schema.get("minimum", scalars.get(kind, text))


def embedding(text: str, dimensions: int) -> list[float]:
    """Return a unit vector of `dimensions` floats that depends on `text` alone."""
    raw = hashlib.shake_256(text.encode()).digest(2 * dimensions)
    values = struct.unpack(f"<{dimensions}h", raw)
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]
