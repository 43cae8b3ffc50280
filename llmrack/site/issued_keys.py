"""The issued keys of clients: ``keys.json`` beside stack.yaml holds their hashes.

A key has 256 random bits, so nobody can find it by its hash: the file may be committed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from llmrack.files import replace_file
from llmrack.problems import DeclarationError, Problem
from llmrack.secrets.audit import now
from llmrack.secrets.locking import alone_with
from llmrack.secrets.value import Secret
from llmrack.stack.keys import IssuedKey

KEYS_FILE = "keys.json"
PREFIX = "sk-llmrack-"

_SHAPE = TypeAdapter(dict[str, IssuedKey])


def read_issued(path: Path) -> dict[str, IssuedKey]:
    """The entries of a ``keys.json``, by name; none where there is no such file.

    Raises DeclarationError when it cannot be read or is not what ``llmrack keys issue`` writes.
    """
    try:
        return _SHAPE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        cause, way_out = f"cannot be read ({error.strerror})", "make it readable"
    except ValidationError:
        cause = "is not what llmrack keys issue wrote"
        way_out = "restore it, or remove it and issue the keys again"
    raise DeclarationError([Problem(str(path), "", cause, way_out)])


def issue(path: Path, name: str) -> Secret:
    """Make a key, note its hash, and return the key, which is stored nowhere.

    Raises like ``read_issued``, and OSError when the file cannot be written.
    """
    key = Secret(PREFIX + secrets.token_urlsafe(32))
    digest = hashlib.sha256(key.reveal().encode()).hexdigest()
    with _changing(path) as keys:
        keys[name] = IssuedKey(sha256=digest, issued=now())
    return key


def revoke(path: Path, name: str) -> None:
    """Forget a key, if it is known. Raises like ``issue``."""
    with _changing(path) as keys:
        keys.pop(name, None)


@contextmanager
def _changing(path: Path) -> Iterator[dict[str, IssuedKey]]:
    """The entries, under a lock; they are written when the block ends."""
    with alone_with(path):
        keys = read_issued(path)
        yield keys
        plain = {name: key.model_dump() for name, key in sorted(keys.items())}
        replace_file(path, json.dumps(plain, indent=1) + "\n", 0o644)
