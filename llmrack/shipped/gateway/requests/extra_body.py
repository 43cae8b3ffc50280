"""Adds the declared ``extra_body`` of a model to a request."""

from __future__ import annotations

import copy
from typing import Any


def add_fields(extra_body: dict[str, Any], kwargs: dict[str, Any]) -> None:
    """Add the fields to the body of a request to a server; what the request has stays.

    + kwargs: LiteLLM's parameters of the request
    """
    if extra_body:
        given = {name: kwargs.pop(name) for name in extra_body if name in kwargs}
        kwargs["extra_body"] = _merged(given | (kwargs.get("extra_body") or {}), extra_body)


def add_parameters(extra_body: dict[str, Any], kwargs: dict[str, Any]) -> None:
    """Add them to LiteLLM's parameters, which it translates or passes on to a service."""
    for name, value in extra_body.items():
        if kwargs.get(name) is None:
            kwargs[name] = copy.deepcopy(value)


def _merged(fields: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """``fields``, with what only ``defaults`` has, also inside mappings."""
    merged = copy.deepcopy(defaults)
    for name, value in fields.items():
        default = merged.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            value = _merged(value, default)
        merged[name] = value
    return merged
