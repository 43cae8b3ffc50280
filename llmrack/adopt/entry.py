"""An entry of ``model_list``, as llmrack declares it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llmrack.adopt.notes import Path


@dataclass(frozen=True)
class Entry:
    """An entry of ``model_list``: a public name and one server that has a model for it.

    + path: its key path in the adopted file
    + name: the public name
    + upstream: the server's own name of the model
    + label: a name for the provider
    + provider: the provider, in the words of ``stack.yaml``
    + model: the model in these words, without ``provider`` and ``model``
    + limits: deadlines and limits, which a model or a provider can have
    + weight: its share of the requests
    + order: whether it is asked before others of the same name, lower first
    """

    path: Path
    name: str
    upstream: str
    label: str
    provider: dict[str, Any]
    model: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    weight: float | None = None
    order: float | None = None
