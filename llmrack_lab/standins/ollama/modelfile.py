"""Modelfiles (Ollama's docs/modelfile.md), turned into the body of ``/api/create``."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from .types import JsonObject

_INSTRUCTION = re.compile(
    r'^[ \t]*(?P<word>[A-Za-z]+)[ \t]+(?P<value>"""(?s:.*?)"""|"(?s:.*?)"[ \t]*$|[^\n]*)$',
    re.MULTILINE,
)
_COMMENT = re.compile(r"^[ \t]*#[^\n]*$", re.MULTILINE)
_LISTS = ("stop",)


class ModelfileError(Exception):
    """A Modelfile that cannot be used."""


def parse_modelfile(text: str, directory: Path) -> tuple[JsonObject, dict[str, Path]]:
    """Read a Modelfile.

    Args:
        text: its content.
        directory: what relative paths in it refer to.

    Returns:
        the body for ``/api/create`` without the model's name, and the files to upload by digest.

    Raises:
        ModelfileError: an unknown instruction, or no FROM.
    """
    request: JsonObject = {}
    files: dict[str, Path] = {}
    parameters: JsonObject = {}
    for match in _INSTRUCTION.finditer(_COMMENT.sub("", text)):
        word, value = match["word"].lower(), _unquoted(match["value"].strip())
        if word in ("from", "adapter"):
            path = directory / Path(value).expanduser()
            if path.is_file():
                digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
                files[digest] = path
                request["files" if word == "from" else "adapters"] = {path.name: digest}
            elif word == "adapter":
                raise ModelfileError(f"no such file: {path}")
            else:
                request["from"] = value
        elif word in ("system", "template"):
            request[word] = value
        elif word == "license":
            request.setdefault("license", []).append(value)
        elif word == "message":
            role, _, content = value.partition(" ")
            request.setdefault("messages", []).append(
                {"role": role, "content": _unquoted(content.strip())}
            )
        elif word == "parameter":
            name, _, content = value.partition(" ")
            _add_parameter(parameters, name.lower(), _unquoted(content.strip()))
        else:
            raise ModelfileError(
                f'unknown instruction {match["word"]!r}: command must be one of "from", "license", '
                '"template", "system", "adapter", "parameter" or "message"'
            )
    if parameters:
        request["parameters"] = parameters
    if not {"from", "files"} & request.keys():
        raise ModelfileError("no FROM line")
    return request, files


def _add_parameter(parameters: JsonObject, name: str, text: str) -> None:
    if name in _LISTS:
        parameters.setdefault(name, []).append(text)
        return
    for kind in (int, float):
        try:
            parameters[name] = kind(text)
            return
        except ValueError:
            continue
    parameters[name] = text == "true" if text in ("true", "false") else text


def _unquoted(text: str) -> str:
    for quote in ('"""', '"'):
        if len(text) >= 2 * len(quote) and text.startswith(quote) and text.endswith(quote):
            return text[len(quote) : -len(quote)]
    return text
