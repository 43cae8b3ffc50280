"""Where a secret comes from: the environment, then the vault, then `.env`; the first one wins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from llmrack.problems import unusable
from llmrack.secrets.dotenv import read_env
from llmrack.secrets.places import Places
from llmrack.secrets.value import Secret, StoredSecret

ENVIRONMENT = "environment"


def find(
    places: Places, names: Iterable[str], environ: Mapping[str, str] | None = None
) -> dict[str, StoredSecret]:
    """The secrets called ``names`` that have a real value; empty ones and placeholders have none.

    The vault is opened only if the environment does not have them all. Raises DeclarationError
    where a file is not as it must be, or a value has a line break in it.
    """
    secrets: dict[str, StoredSecret] = {}
    wanted = list(names)
    inherited = os.environ if environ is None else environ
    _add(
        secrets,
        wanted,
        {name: StoredSecret(Secret(v), ENVIRONMENT) for name, v in inherited.items()},
    )
    for read in (_of_vault, _of_env_file):
        if len(secrets) < len(set(wanted)):
            _add(secrets, wanted, read(places))
    return secrets


def placeholders(places: Places, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where secrets stand that have a text which waits to be replaced, by name.

    Of the environment and `.env`: the command that puts values into a vault refuses them.
    """
    inherited = os.environ if environ is None else environ
    inherited_secrets = {
        name: StoredSecret(Secret(value), ENVIRONMENT) for name, value in inherited.items()
    }
    return {
        name: f"the {secret.source}" if secret.source == ENVIRONMENT else secret.source
        for name, secret in (inherited_secrets | _of_env_file(places)).items()
        if secret.secret.reveal().strip() and secret.secret.is_placeholder
    }


def everything(places: Places) -> dict[str, StoredSecret]:
    """Every secret that is in a file; of those in both, the vault's."""
    secrets = _of_env_file(places) | _of_vault(places)
    return {
        name: secret for name, secret in sorted(secrets.items()) if not secret.secret.is_placeholder
    }


def _add(
    secrets: dict[str, StoredSecret], wanted: list[str], source: Mapping[str, StoredSecret]
) -> None:
    for name in wanted:
        secret = source.get(name)
        if secret and name not in secrets and not secret.secret.is_placeholder:
            secrets[name] = _on_one_line(name, secret)


def _on_one_line(name: str, kept: StoredSecret) -> StoredSecret:
    """The same; DeclarationError for a value that no environment file can hold."""
    if any(character in kept.secret.reveal() for character in "\n\r\0"):
        way_out = "write the key on one line"
        raise unusable(kept.source, "has a line break in it", way_out, name)
    return kept


def _of_vault(places: Places) -> dict[str, StoredSecret]:
    if not places.has_vault:
        return {}
    # Without a vault nothing of it is loaded: pyrage costs some milliseconds.
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
