"""Removes keys from the errors of providers: some repeat the key in their answer.

LiteLLM passes a provider's error on to clients and writes it into its log (seen with 1.106.12).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import httpx

# These describe the body before httpx has decoded it.
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")


def shown_keys(spec: Mapping[str, Any]) -> dict[str, str]:
    """The secrets that an instance is sent, by name.

    + spec: its entry in routing.json
    """
    return {name: value for name in spec["secrets"] if (value := os.environ.get(name))}


async def without(keys: Mapping[str, str], response: httpx.Response) -> httpx.Response:
    """An error with the names of ``keys`` in place of their values; other answers unchanged."""
    if response.status_code < 400:
        return response
    body = await response.aread()
    headers = [(k, v) for k, v in response.headers.items() if k not in _OF_THE_WIRE]
    for name, value in keys.items():
        body = body.replace(value.encode(), f"<{name}>".encode())
        headers = [(k, v.replace(value, f"<{name}>")) for k, v in headers]
    await response.aclose()
    return httpx.Response(
        response.status_code, headers=headers, content=body, extensions=response.extensions
    )
