"""A made model as a Modelfile (ollama/ollama docs/modelfile.mdx), for Ollama's own command line."""

from __future__ import annotations

from typing import Any

from llmrack.stack.models import Create

_QUOTES = '"""'


def modelfile(create: Create) -> str:
    """The text of the Modelfile; a copy is its source and nothing else.

    Raises ValueError for a model that is made from a local file, which no pod has.
    """
    if create.files:
        raise ValueError("a pod has no local files")
    lines = [f"FROM {create.base or create.copy_of}"]
    request = create.request
    if template := request.get("template"):
        lines.append(f"TEMPLATE {_quoted(template)}")
    if system := request.get("system"):
        lines.append(f"SYSTEM {_quoted(system)}")
    for name, value in request.get("parameters", {}).items():
        lines += [f"PARAMETER {name} {_value(item)}" for item in _several(value)]
    return "\n".join(lines) + "\n"


def can_be_quoted(create: Create) -> bool:
    """Whether its texts can stand in a Modelfile, whose quotes nothing escapes."""
    request = create.request
    several = [item for value in request.get("parameters", {}).values() for item in _several(value)]
    texts = [request.get("template"), request.get("system"), *several]
    return not any(
        isinstance(text, str) and (_QUOTES in text or text.endswith('"')) for text in texts
    )


def _quoted(text: str) -> str:
    """In three quotes, which Ollama's parser takes as they are."""
    return f"{_QUOTES}{text}{_QUOTES}"


def _several(value: object) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else str(value)
