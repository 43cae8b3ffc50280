"""Adds and removes the recipients that a vault is encrypted to."""

from __future__ import annotations

from pathlib import Path

from llmrack.problems import nearest, unusable
from llmrack.secrets import store, vault
from llmrack.secrets.identities import recipient
from llmrack.secrets.places import Places

_SENT = "age1", "ssh-"


def parse(given: str) -> tuple[str, str]:
    """A public key and its owner, from the key itself or from a file with one.

    Raises DeclarationError if there is none, or if age cannot encrypt to it.
    """
    text = given
    if not given.startswith(_SENT):
        path = Path(given).expanduser()
        if not path.is_file():
            way_out = "give age1..., ssh-ed25519 ..., ssh-rsa ..., or a file with one"
            raise unusable(given, "is neither a public key nor a file", way_out)
        lines = path.read_text("utf-8", errors="replace").splitlines()
        # An age identity's file has its recipient in a comment.
        keys = [line.removeprefix("# public key: ") for line in lines]
        text = next((line for line in keys if line.startswith(_SENT)), "")
    parts = text.split(maxsplit=2)
    length = 2 if text.startswith("ssh-") else 1
    key = " ".join(parts[:length])
    try:
        recipient(key)
    except ValueError as error:
        way_out = "give an age recipient, or an SSH public key of type ed25519 or rsa"
        raise unusable(given[:60], f"is no public key to encrypt to ({error})", way_out) from None
    return key, " ".join(parts[length:])


def add(places: Places, given: str) -> str:
    """Encrypt the vault to one more; returns the key."""
    key, name = parse(given)
    known = vault.read(places.vault).recipients
    store.set_recipients(places, known | {key: name}, f"recipients add {_short(key)}")
    return key


def remove(places: Places, given: str) -> str:
    """Encrypt the vault to one less, named by key, file or name; returns the key."""
    known = vault.read(places.vault).recipients
    named = [key for key, name in known.items() if name == given]
    key = named[0] if len(named) == 1 else parse(given)[0]
    if key not in known:
        cause = "is none of its recipients"
        raise unusable(places.vault, f"{_short(key)} {cause}", nearest(given, known.values()))
    rest = {known_key: name for known_key, name in known.items() if known_key != key}
    store.set_recipients(places, rest, f"recipients remove {_short(key)}")
    return key


def _short(key: str) -> str:
    return f"{key[:8]}...{key[-8:]}"
