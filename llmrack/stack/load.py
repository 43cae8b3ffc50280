"""Reading declarations from files; every problem names file, line and key path."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from llmrack.problems import DeclarationError, Problem, nearest, unusable
from llmrack.stack.keys import Key
from llmrack.stack.litellm_facts import provider_facts
from llmrack.stack.models import Adapter, Create, Model
from llmrack.stack.ollama.providers import Paths
from llmrack.stack.parameters import Parameters
from llmrack.stack.providers import KINDS, Provider
from llmrack.stack.removed import unknown
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings, is_own, unknown_setting
from llmrack.stack.yaml_lines import Lines, parse_yaml

_SHAPES = {
    "model_type": ("is not a mapping", "give keys with their values"),
    "dict_type": ("is not a mapping", "give keys with their values"),
    "tuple_type": ("is not a list", "give a list, as in [one, two]"),
}


def load_stack(path: Path, name: str | None = None) -> tuple[Stack, Lines]:
    """Read and validate a stack file.

    + path: the file
    + name: its name in messages (default: ``path``)

    Returns the stack and the 1-based line of every key path. Raises DeclarationError.
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise unusable(name, "there is no such file", "copy stack.yaml from the project") from None
    except (OSError, ValueError) as error:
        raise unusable(name, f"cannot be read ({error})", "make it a readable text file") from None
    data, lines, repeated = parse_yaml(name, text)
    if data is None:
        raise unusable(name, "is empty", "start with 'providers:' and 'models:'")
    if repeated:
        raise DeclarationError(repeated)
    if not isinstance(data, dict):
        raise unusable(name, "is not a mapping", "start with 'providers:' and 'models:'")
    try:
        return _with_authorities(name, path.parent, Stack.model_validate(data), lines), lines
    except ValidationError as error:
        raise DeclarationError(_explain(name, data, lines, error.errors())) from None


def _with_authorities(name: str, folder: Path, stack: Stack, lines: Lines) -> Stack:
    """The stack with the contents of its ``tls_ca`` files in place of their names."""
    providers: dict[str, Provider] = {}
    problems = []
    for key, provider in stack.providers.items():
        providers[key] = provider
        remote = provider.remote
        if remote is None or remote.tls_ca is None:
            continue
        try:
            text = authority(folder / remote.tls_ca)
        except ValueError as error:
            where = ("providers", key, "tls_ca")
            cause = f"{folder / remote.tls_ca} cannot be used ({error})"
            way_out = "name the PEM file of the authority, relative to this file"
            problems.append(Problem(name, ".".join(where), cause, way_out, lines.get(where, 0)))
        else:
            providers[key] = provider.model_copy(update={"tls_ca": text})
    if problems:
        raise DeclarationError(problems)
    return stack.model_copy(update={"providers": providers})


def authority(file: Path) -> str:
    """The text of a file with certificates. Raises ValueError if it has none, or has a key, too."""
    try:
        text = file.read_text(encoding="ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError("no certificate in PEM form") from None
    except OSError as error:
        raise ValueError((error.strerror or "unreadable").lower()) from None
    # It is copied to the gateway, where others may read certificates.
    if "PRIVATE KEY" in text:
        raise ValueError("it holds a private key")
    return text


def load_settings(host: str, data: Mapping[str, Any], name: str = "group_data") -> Settings:
    """The validated settings of ``host`` from inventory and group data. Raises DeclarationError."""
    settings = {key: value for key, value in data.items() if is_own(key)}
    try:
        return Settings.model_validate(settings)
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            parts = [str(part) for part in detail["loc"]]
            # Some settings are a word or a list; pydantic reports errors of both forms.
            given = settings.get(parts[0]) if parts else None
            other_kind = "literal[" if isinstance(given, list | tuple) else "tuple["
            if any(part.startswith(other_kind) for part in parts):
                continue
            where = ".".join(part for part in parts if "[" not in part)
            cause, way_out = explained(detail)
            if detail["type"] == "extra_forbidden":
                cause, way_out = unknown_setting(where)
            problems.append(Problem(name, f"{where} (host {host})", cause, way_out))
        raise DeclarationError(problems) from None


def _explain(
    name: str, data: dict[str, Any], lines: Lines, details: Iterable[ErrorDetails]
) -> list[Problem]:
    problems = []
    findings = list(details)
    for detail in findings:
        # A list whose items are wrong is also called too short: the items are the cause.
        inside = [other for other in findings if other["loc"][:-1] == detail["loc"]]
        if detail["type"] == "too_short" and inside:
            continue
        # Pydantic puts the union's tag and "[key]" into the path; they stand in no file.
        path = tuple(
            str(part)
            for index, part in enumerate(detail["loc"])
            if part != "[key]" and not (index == 2 and detail["loc"][0] == "providers")
        )
        cause, way_out = explained(detail)
        if detail["type"] == "extra_forbidden":
            cause, way_out = unknown(path, "key", _valid_keys(data, path))
        if detail["type"] == "union_tag_invalid":
            kind = str(data["providers"][path[1]].get("kind"))
            path = (*path, "kind")
            cause, way_out = f"{kind!r} is no kind of provider", nearest(kind, KINDS)
            if kind in provider_facts():
                way_out = f"write kind: litellm, prefix: {kind}"
        if detail["type"] == "union_tag_not_found":
            cause, way_out = "has no kind", nearest("", KINDS)
        if path[-1:] == ("api_key",):
            way_out = "name the secret here, never the key itself (llmrack secrets set NAME)"
        # A header's value, not its name.
        if (
            path[2:-1] in (("secret_headers",), ("secret_settings",))
            and "[key]" not in detail["loc"]
        ):
            way_out = "name the secret here, never the value itself (llmrack secrets set NAME)"
        line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), 0)
        problems.append(Problem(name, ".".join(path), cause, way_out, line))
    return problems


def _valid_keys(data: dict[str, Any], path: tuple[str, ...]) -> Iterable[str]:
    if len(path) == 1:
        return Stack.model_fields
    if path[0] == "models":
        inside: dict[str, type[BaseModel]]
        inside = {"create": Create, "parameters": Parameters, "adapters": Adapter}
        parts = [part for part in path[2:-1] if part in inside]
        fields = inside[parts[-1]].model_fields if parts else Model.model_fields
        return [field.alias or name for name, field in fields.items()]
    if path[0] == "keys":
        return Key.model_fields
    if path[2:-1] == ("paths",):
        return Paths.model_fields
    kind = data["providers"][path[1]].get("kind")
    return KINDS[kind].model_fields


def explained(detail: ErrorDetails) -> tuple[str, str]:
    """Cause and way out of an error that pydantic found. They never repeat the value."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "too_short":
        return "is empty", "name at least one"
    if kind == "missing":
        return "is missing", "add it"
    if kind in _SHAPES:
        return _SHAPES[kind]
    if kind == "value_error":
        cause, _, way_out = str(context.get("error")).partition("; ")
        return cause, way_out or "correct it"
    if kind in ("literal_error", "enum"):
        return "is none of the allowed values", f"use one of {context.get('expected')}"
    if kind == "string_pattern_mismatch":
        return "has characters that are not allowed", f"it must match {context.get('pattern')}"
    return detail["msg"][:1].lower() + detail["msg"][1:], "correct it"
