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
    found: dict[str, StoredSecret] = {}
    wanted = list(names)
    inherited = os.environ if environ is None else environ
    _add(
        found, wanted, {name: StoredSecret(Secret(v), ENVIRONMENT) for name, v in inherited.items()}
    )
    for read in (_of_vault, _of_env_file):
        if len(found) < len(set(wanted)):
            _add(found, wanted, read(places))
    return found


def placeholders(places: Places, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where secrets stand that have a text which waits to be replaced, by name.

    Of the environment and `.env`: the command that puts values into a vault refuses them.
    """
    inherited = os.environ if environ is None else environ
    there = {name: StoredSecret(Secret(value), ENVIRONMENT) for name, value in inherited.items()}
    return {
        name: f"the {kept.source}" if kept.source == ENVIRONMENT else kept.source
        for name, kept in (there | _of_env_file(places)).items()
        if kept.secret.reveal().strip() and kept.secret.is_placeholder
    }


def everything(places: Places) -> dict[str, StoredSecret]:
    """Every secret that is in a file; of those in both, the vault's."""
    found = _of_env_file(places) | _of_vault(places)
    return {name: kept for name, kept in sorted(found.items()) if not kept.secret.is_placeholder}


def _add(
    found: dict[str, StoredSecret], wanted: list[str], there: Mapping[str, StoredSecret]
) -> None:
    for name in wanted:
        kept = there.get(name)
        if kept and name not in found and not kept.secret.is_placeholder:
            found[name] = _on_one_line(name, kept)


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
