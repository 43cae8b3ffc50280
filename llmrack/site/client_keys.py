"""``keys.json``, beside LiteLLM's config.yaml: the hashes of the keys that a gateway accepts.

``llmrack/shipped/gateway/auth.py`` reads it. It holds no key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmrack.stack.keys import IssuedKey
from llmrack.stack.schema import Stack

NO_KEYS = "{}"


@dataclass(frozen=True)
class ExtraKey:
    """A key with all rights for a while, such as the previous master key.

    + sha256: of the key, in hex
    + until: its last second, as in 2026-11-21T12:00:00Z
    """

    name: str
    sha256: str
    until: str


def client_keys(
    stack: Stack, issued: Mapping[str, IssuedKey], extra: Iterable[ExtraKey] = ()
) -> str:
    """``keys.json`` of every gateway: keys that are declared and issued, and those in ``extra``."""
    known = {
        issued[name].sha256: {
            "name": name,
            "models": list(key.models) or None,
            "until": f"{key.expires}T23:59:59Z" if key.expires else None,
            "rpm": key.rpm,
            "master": False,
        }
        for name, key in stack.keys.items()
        if name in issued
    }
    for key in extra:
        known[key.sha256] = {
            "name": key.name,
            "models": None,
            "until": key.until,
            "rpm": None,
            "master": True,
        }
    return json.dumps(known, indent=1)
