"""Finds secrets in the environment, then in the vault, then in `.env`; the first one counts."""

from __future__ import annotations

import os
from collections.abc import Iterable

from llmrack.problems import unusable
from llmrack.secrets.dotenv import read_env
from llmrack.secrets.places import Places
from llmrack.secrets.value import Secret, StoredSecret

ENVIRONMENT = "environment"


def find(places: Places, names: Iterable[str]) -> dict[str, StoredSecret]:
    """The secrets called ``names`` that have a value other than a placeholder.

    The vault is opened only if the environment does not have them all. Raises DeclarationError if a
    file cannot be used, or if a value has a line break.
    """
    secrets: dict[str, StoredSecret] = {}
    wanted = list(names)
    for read in (_of_environment, _of_vault, _of_env_file):
        source = read(places) if len(secrets) < len(set(wanted)) else {}
        for name in wanted:
            stored = source.get(name)
            if stored and name not in secrets and not stored.secret.is_placeholder:
                secrets[name] = _on_one_line(name, stored)
    return secrets


def placeholders(places: Places) -> dict[str, str]:
    """The places of placeholders in the environment and in `.env`, by name.

    A vault has none: the command that puts values into it refuses them.
    """
    return {
        name: f"the {stored.source}" if stored.source == ENVIRONMENT else stored.source
        for name, stored in (_of_environment(places) | _of_env_file(places)).items()
        if stored.secret.reveal().strip() and stored.secret.is_placeholder
    }


def everything(places: Places) -> dict[str, StoredSecret]:
    """Every secret in a file; the vault's, if both files have it."""
    secrets = _of_env_file(places) | _of_vault(places)
    return {
        name: stored for name, stored in sorted(secrets.items()) if not stored.secret.is_placeholder
    }


def _on_one_line(name: str, stored: StoredSecret) -> StoredSecret:
    """The secret itself. Raises DeclarationError if no environment file can hold its value."""
    if any(character in stored.secret.reveal() for character in "\n\r\0"):
        way_out = "write the key on one line"
        raise unusable(stored.source, "has a line break in it", way_out, name)
    return stored


def _of_environment(_: Places) -> dict[str, StoredSecret]:
    return {name: StoredSecret(Secret(value), ENVIRONMENT) for name, value in os.environ.items()}


def _of_vault(places: Places) -> dict[str, StoredSecret]:
    if not places.has_vault:
        return {}
    # Imported only for a vault: pyrage takes some milliseconds.
    from llmrack.secrets import sops, vault

    source = places.vault.name
    if places.is_sops:
        values = sops.read(places.vault)
        return {name: StoredSecret(Secret(value), source) for name, value in values.items()}
    return {
        name: StoredSecret(entry.value, source, entry.changed, entry.accepted)
        for name, entry in vault.read(places.vault).secrets.items()
    }


def _of_env_file(places: Places) -> dict[str, StoredSecret]:
    source = places.env_file.name
    values = read_env(places.env_file)
    return {name: StoredSecret(Secret(value), source) for name, value in values.items()}
