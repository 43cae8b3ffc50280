"""``extra_body`` of a model: fields of requests that llmrack has no key for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from llmrack.stack.litellm import REFERENCE, values
from llmrack.stack.litellm_secrets import plain_secrets
from llmrack.stack.parameters import Defaults, ParameterName

_PROVIDER = "use the keys of the provider"
# Fields that have a place of their own, with the way out.
_ELSEWHERE = {
    **dict.fromkeys((*Defaults.model_fields, "max_completion_tokens"), "use 'defaults'"),
    **dict.fromkeys(("reasoning_effort", "reasoning", "think"), "use 'thinking'"),
    **dict.fromkeys(("api_key", "api_base", "base_url", "extra_headers", "headers"), _PROVIDER),
    **dict.fromkeys(("timeout", "stream_timeout"), "use the key of that name"),
    "model": "use the key 'model'",
}
# Fields that are the client's request.
_OF_CLIENTS = (
    *("messages", "prompt", "input", "stream", "stream_options", "n", "tools", "tool_choice"),
    *("functions", "function_call", "response_format", "extra_body", "metadata"),
)


def mistake(name: str, value: object) -> str | None:
    """Why a field cannot be declared; None if it can."""
    if way_out := _ELSEWHERE.get(name):
        return f"{name!r} has a place of its own; {way_out}"
    if name in _OF_CLIENTS:
        return f"{name!r} is what clients ask for; leave it out"
    for _, inner in values(value):
        if isinstance(inner, str) and inner.startswith(REFERENCE):
            return f"{name!r} names a secret, and none is put here; {_PROVIDER}"
        if not isinstance(inner, str | int | float | bool | None):
            return f"{name!r} has a {type(inner).__name__} in it; put it in quotes"
    if next(plain_secrets({name: value}), None):
        return f"{name!r} has a secret in plain text; {_PROVIDER}"
    return None


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    for name, value in fields.items():
        if reason := mistake(name, value):
            raise ValueError(reason)
    return fields


ExtraBody = Annotated[dict[ParameterName, Any], AfterValidator(_checked)]
