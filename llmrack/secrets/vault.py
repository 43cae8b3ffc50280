"""`secrets.age`: the keys, encrypted with age to one or more people, safe to commit.

Its content is JSON, which `age -d secrets.age` shows without llmrack.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyrage

from llmrack.files import replacement
from llmrack.problems import DeclarationError, unusable
from llmrack.secrets.identities import decrypt, recipient
from llmrack.secrets.locking import alone_with
from llmrack.secrets.value import Secret

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A secret in the vault.

    + changed: when its value was set, ISO 8601 in UTC
    + by: the user who set it
    + previous: the value before, during a rotation
    + accepted: the SHA-256 of the value before, and the time until which the gateway accepts it
    """

    value: Secret
    changed: str
    by: str
    previous: Secret | None = None
    accepted: tuple[str, str] | None = None


@dataclass
class Contents:
    """The content of a vault.

    + recipients: public key → owner
    + audit: the audit file's end when the vault was written: lines, and the SHA-256 of the last
    """

    recipients: dict[str, str]
    secrets: dict[str, Entry] = field(default_factory=dict)
    audit: tuple[int, str] = (0, "")


def read(path: Path) -> Contents:
    """Decrypt the vault, in memory. Raises DeclarationError if it is damaged or for others."""
    return _parse(path, decrypt(path, _bytes(path)))


def create(path: Path, recipients: dict[str, str]) -> None:
    """Make an empty vault. Raises DeclarationError if one exists, or if the user cannot open it."""
    with alone_with(path):
        if path.exists():
            raise unusable(path, "is there already", "use llmrack secrets set, or recipients add")
        _write(path, Contents(recipients))


@contextmanager
def changed(path: Path) -> Iterator[Contents]:
    """The contents, to be changed within the block, and written when it ends without an error.

    No other llmrack changes the vault meanwhile. The new file is read back and compared before it
    replaces the old one. Raises DeclarationError; the old file is intact then.
    """
    with alone_with(path):
        contents = read(path)
        yield contents
        _write(path, contents)


def _write(path: Path, contents: Contents) -> None:
    try:
        recipients = [recipient(key) for key in contents.recipients]
    except ValueError as error:
        way_out = "give an age recipient (age1...), or an SSH key of type ed25519 or rsa"
        raise unusable(path, f"has no such recipient: {error}", way_out) from None
    if not recipients:
        raise unusable(path, "would be encrypted to nobody", "keep one recipient at least")
    clear = json.dumps(_plain(contents), indent=1, sort_keys=True).encode()
    sealed = pyrage.encrypt(clear, recipients, armored=True)
    if not _opens(path, sealed, clear):
        cause = "could not be opened by any identity of yours after this"
        raise unusable(path, cause, "keep yourself among its recipients")
    with replacement(path, 0o600) as beside:
        beside.write_bytes(sealed)
        if beside.read_bytes() != sealed:
            raise unusable(path, "cannot be written soundly", "look at the disk")


def _opens(path: Path, sealed: bytes, clear: bytes) -> bool:
    try:
        return decrypt(path, sealed) == clear
    except DeclarationError:
        return False


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        cause = f"cannot be read ({error.strerror})"
        raise unusable(path, cause, "make one: llmrack secrets init") from None


def _plain(contents: Contents) -> dict[str, Any]:
    entries: dict[str, dict[str, Any]] = {}
    for name, entry in contents.secrets.items():
        entries[name] = {"value": entry.value.reveal(), "changed": entry.changed, "by": entry.by}
        if entry.previous:
            entries[name]["previous"] = entry.previous.reveal()
        if entry.accepted:
            entries[name]["accepted"] = entry.accepted
    lines, last = contents.audit
    return {
        "version": VERSION,
        "recipients": contents.recipients,
        "secrets": entries,
        "audit": {"lines": lines, "last": last},
    }


def _parse(path: Path, clear: bytes) -> Contents:
    try:
        plain = json.loads(clear)
        if plain["version"] != VERSION:
            way_out = "use the llmrack that wrote it"
            raise unusable(path, f"is of version {plain['version']}, and not {VERSION}", way_out)
        entries = {
            name: Entry(
                Secret(entry["value"]),
                entry["changed"],
                entry["by"],
                Secret(entry["previous"]) if "previous" in entry else None,
                tuple(entry["accepted"]) if "accepted" in entry else None,
            )
            for name, entry in plain["secrets"].items()
        }
        audit = plain["audit"]["lines"], plain["audit"]["last"]
        return Contents(dict(plain["recipients"]), entries, audit)
    except (ValueError, KeyError, TypeError, AttributeError):
        # Not even the position of a mistake is shown: the text around it is a key.
        cause = "is an age file, but not one of llmrack's"
        raise unusable(path, cause, "make a vault: llmrack secrets init") from None


def renewed(entry: Entry | None, value: Secret, changed: str, by: str) -> Entry:
    """The entry with another value."""
    return replace(entry or Entry(value, changed, by), value=value, changed=changed, by=by)
