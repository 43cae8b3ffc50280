"""Vaults for tests."""

from __future__ import annotations

from pathlib import Path

from llmrack.secrets import identities, store
from llmrack.secrets.places import Places
from llmrack.secrets.value import Secret


def vault_of(folder: Path, **values: str) -> Places:
    """A vault that the test's own identity opens, with these values."""
    places = Places(folder / ".env", folder / "secrets.age")
    store.init(places, {identities.public_keys()[0]: "me"})
    if values:
        store.set_values(places, {name: Secret(value) for name, value in values.items()})
    return places
