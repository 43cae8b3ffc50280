"""Changes secrets: every change is read back, and noted in the audit file."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets as random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from llmrack.problems import DeclarationError, nearest, unusable
from llmrack.secrets import audit, vault
from llmrack.secrets.dotenv import read_env, write_env
from llmrack.secrets.places import MASTER_KEY, Places
from llmrack.secrets.sources import find
from llmrack.secrets.value import Secret


def init(places: Places, recipients: dict[str, str]) -> None:
    """Make the vault. Raises DeclarationError if there is one, or if the user could not open it."""
    _insist_on_age(places)
    with _noted(places, "init", []):
        vault.create(places.vault, recipients)


def set_values(places: Places, values: Mapping[str, Secret], action: str = "set") -> None:
    """Put values into the vault, and check that it decrypts to them.

    Raises DeclarationError, with the file intact: for a vault that cannot be opened, an empty
    value, a placeholder, or one with a line break.
    """
    insist_on_vault(places)
    for name, value in values.items():
        insist_on_value(places, name, value)
    with _noted(places, action, values):
        with _changed(places) as contents:
            _set(contents, values)
        stored = vault.read(places.vault).secrets
        for name, value in values.items():
            if name not in stored or stored[name].value != value:
                cause = "does not decrypt to what was given"
                raise _problem(places, name, cause, "somebody else has set it just now: look")


def unset(places: Places, name: str) -> None:
    """Remove a secret from the vault. Raises DeclarationError if there is none of that name."""
    insist_on_vault(places)
    with _noted(places, "unset", [name]), _changed(places) as contents:
        if name not in contents.secrets:
            raise _problem(places, name, "is not in it", nearest(name, contents.secrets))
        del contents.secrets[name]


def replace(
    places: Places,
    before: Mapping[str, Secret],
    values: Mapping[str, Secret],
    removed: Iterable[str],
) -> None:
    """Set and remove what was edited; DeclarationError where somebody else changed it meanwhile.

    + before: all values as they were when the editing began
    + values: the new values of the secrets that were changed
    + removed: names of the secrets to remove
    """
    for name, value in values.items():
        insist_on_value(places, name, value)
    names = {*values, *removed}
    with _noted(places, "edit", names), _changed(places) as contents:
        for name in names:
            entry = contents.secrets.get(name)
            if (entry.value if entry else None) != before.get(name):
                cause = "was changed by somebody else meanwhile"
                raise _problem(places, name, cause, "nothing was saved: run it again")
        _set(contents, values)
        for name in removed:
            del contents.secrets[name]


def set_recipients(places: Places, recipients: dict[str, str], action: str) -> None:
    """Encrypt the vault to these recipients: public key → owner."""
    insist_on_vault(places)
    with _noted(places, action, []), _changed(places) as contents:
        contents.recipients = recipients


def ensure_master_key(places: Places) -> str | None:
    """Generate the gateway's master key, if there is none.

    Returns the file that it was written to: the vault if there is one, else `.env`. None if there
    was a key.
    """
    if find(places, [MASTER_KEY]):
        return None
    key = Secret(f"sk-{random.token_urlsafe(32)}")
    put(places, MASTER_KEY, key, "generate")
    return str(places.vault if places.has_vault else places.env_file)


def put(places: Places, name: str, value: Secret, action: str = "set") -> None:
    """Store a value in the vault if there is one, else in `.env`. Raises DeclarationError."""
    if places.has_vault and not places.is_sops:
        set_values(places, {name: value}, action)
        return
    if places.has_vault:
        raise _problem(places, name, "is kept by SOPS, which llmrack only reads", "set it by sops")
    insist_on_value(places, name, value)
    with _noted(places, action, [name]):
        write_env(places.env_file, name, value)
        if read_env(places.env_file).get(name) != value.reveal():
            cause = "does not read back as what was given"
            way_out = "quote it in the file by hand"
            raise unusable(places.env_file, cause, way_out, name)


def begin_rotation(
    places: Places, name: str, old: Secret, value: Secret, until: str | None
) -> None:
    """Store the new value; the vault keeps the old one until the rotation is settled.

    + old: the value until now, which may have been in `.env`
    + until: the time until which the gateway accepts the old one, too (ISO 8601, UTC); it is stored
      in the vault only
    """
    if not places.has_vault:
        return put(places, name, value, "rotate: begin")
    insist_on_vault(places)
    insist_on_value(places, name, value)
    with _noted(places, "rotate: begin", [name]), _changed(places) as contents:
        _set(contents, {name: value})
        digest = hashlib.sha256(old.reveal().encode()).hexdigest()
        contents.secrets[name] = dataclasses.replace(
            contents.secrets[name], previous=old, accepted=(digest, until) if until else None
        )


def settle_rotation(places: Places, name: str, old: Secret | None) -> None:
    """Forget the old value of a secret, or put it back.

    + old: the value to put back; None: the new one stays
    """
    action = "rotate: put back" if old else "rotate: done"
    if not places.has_vault:
        return put(places, name, old, action) if old else audit.note(places, action, [name])
    with _noted(places, action, [name]), _changed(places) as contents:
        entry = dataclasses.replace(contents.secrets[name], previous=None)
        if old:
            entry = dataclasses.replace(entry, value=old, accepted=None)
        contents.secrets[name] = entry


@contextmanager
def _noted(places: Places, action: str, names: Iterable[str]) -> Iterator[None]:
    """Note the operation and its result in the audit file."""
    try:
        yield
    except DeclarationError as error:
        audit.note(places, action, names, f"failed: {error.problems[0].cause}")
        raise
    except BaseException as error:
        audit.note(places, action, names, f"failed: {type(error).__name__}")
        raise
    audit.note(places, action, names)


@contextmanager
def _changed(places: Places) -> Iterator[vault.Contents]:
    """The vault's contents, written when the block ends, with where the audit file stands."""
    with vault.changed(places.vault) as contents:
        yield contents
        audited = audit.mark(places.audit)
        contents.audit = audited.lines, audited.last


def _set(contents: vault.Contents, values: Mapping[str, Secret]) -> None:
    for name, value in values.items():
        entry = contents.secrets.get(name)
        contents.secrets[name] = vault.renewed(entry, value, audit.now(), audit.who())


def insist_on_vault(places: Places) -> None:
    """Raise DeclarationError if there is no vault that llmrack may write."""
    _insist_on_age(places)
    if not places.has_vault:
        raise _problem(places, "", "is not there", "make it: llmrack secrets init")


def _insist_on_age(places: Places) -> None:
    if places.is_sops:
        way_out = "change it by sops, or name a file that ends in .age"
        raise _problem(places, "", "is a SOPS file, which llmrack only reads", way_out)


def insist_on_value(places: Places, name: str, value: Secret) -> None:
    """Raise DeclarationError for an empty value, or one that no environment file can hold."""
    if not name.isidentifier():
        way_out = "use letters, digits and _, as for a variable"
        raise _problem(places, name, "is no name of a secret", way_out)
    if value.is_placeholder:
        raise _problem(places, name, "would be empty or a placeholder", "give the key itself")
    if any(not character.isprintable() for character in value.reveal()):
        cause = "has a line break or another control character in it"
        raise _problem(places, name, cause, "give the key on one line")


def _problem(places: Places, name: str, cause: str, way_out: str) -> DeclarationError:
    return unusable(places.vault, cause, way_out, name)
