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
        kwargs["extra_body"] = _laid_over(given | (kwargs.get("extra_body") or {}), extra_body)


def add_parameters(extra_body: dict[str, Any], kwargs: dict[str, Any]) -> None:
    """Add them to LiteLLM's parameters, which it translates or passes on to a service."""
    for name, value in extra_body.items():
        if kwargs.get(name) is None:
            kwargs[name] = copy.deepcopy(value)


def _laid_over(fields: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """``fields``, and what ``others`` has beside them, also inside mappings."""
    made = copy.deepcopy(others)
    for name, value in fields.items():
        below = made.get(name)
        if isinstance(value, dict) and isinstance(below, dict):
            value = _laid_over(value, below)
        made[name] = value
    return made
