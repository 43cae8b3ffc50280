"""Names for JSON in annotations."""

from __future__ import annotations

from typing import Any

JsonValue = Any
"""Whatever JSON can hold."""

JsonObject = dict[str, JsonValue]
"""A JSON object."""
