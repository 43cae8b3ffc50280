"""The identities that open the vault: age identities, and SSH keys that people already have."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyrage

from llmrack.problems import DeclarationError, unusable

VARIABLE = "LLMRACK_IDENTITY"
"""Names a file with an identity, instead of those in OWN."""

OWN = "~/.config/llmrack/identity.txt", "~/.ssh/id_ed25519", "~/.ssh/id_rsa"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_HEADER = b"age-encryption.org/v1"
_unlocked: dict[Path, Any] = {}


def files() -> list[Path]:
    """The existing files that may hold the user's identities."""
    named = os.environ.get(VARIABLE)
    paths = [Path(named)] if named else [Path(name).expanduser() for name in OWN]
    if named and not paths[0].exists():
        raise unusable(paths[0], "is not there", f"correct {VARIABLE}, which names it")
    return [path for path in paths if path.exists()]


def decrypt(place: Path, data: bytes) -> bytes:
    """The content of the age file `data`, opened by any of the user's identities.

    + place: the file, for messages

    Passphrases are asked for at the terminal, once, and only if the key may be the right one.
    Raises DeclarationError, with different causes for a damaged file and a missing identity.
    """
    candidates = files()
    open_now: list[Path] = []
    locked: list[Path] = []
    for path in candidates:
        (locked if path not in _unlocked and _is_locked(path) else open_now).append(path)
    content = _try(place, data, (_identity(path) for path in open_now))
    for path in locked:
        if content is None and _may_open(path, data):
            content = _try(place, data, [_identity(path)])
    if content is not None:
        return content
    tried = ", ".join(map(str, candidates)) or "none is there"
    way_out = (
        "ask somebody who can open it to run: llmrack secrets recipients add "
        f"{_shown(public_keys())}; or name your identity's file in {VARIABLE}"
    )
    raise unusable(place, f"is not encrypted to any of your identities (tried: {tried})", way_out)


def public_keys() -> list[str]:
    """The recipients of the user's identities, as far as they can be read without a passphrase."""
    keys = []
    for path in files():
        public = path.with_name(f"{path.name}.pub")
        if public.exists():
            keys.append(" ".join(public.read_text("utf-8").split()[:2]))
        elif not _is_ssh(path.read_bytes()) and not _is_locked(path):
            keys.append(str(_identity(path).to_public()))
    return keys


def generate() -> tuple[Path, str]:
    """Make an age identity in its usual place; returns its file and its recipient.

    Raises FileExistsError if there is one.
    """
    path = Path(OWN[0]).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = pyrage.x25519.Identity.generate()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"# public key: {identity.to_public()}\n{identity}\n")
    return path, str(identity.to_public())


def recipient(text: str) -> Any:  # noqa: ANN401  (pyrage has a class for each kind)
    """The recipient that `text` stands for: age1..., ssh-ed25519 ... or ssh-rsa ...

    Raises ValueError with the cause.
    """
    kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return kind.from_str(text)
    except pyrage.RecipientError as error:
        raise ValueError(str(error)) from None


def _try(place: Path, data: bytes, identities: Iterable[Any]) -> bytes | None:
    """The content; None if no identity fits."""
    for identity in identities:
        try:
            return bytes(pyrage.decrypt(data, [identity]))
        except pyrage.DecryptError as error:
            if "No matching keys" in str(error):
                continue
            raise _damaged(place, str(error)) from None
    if not data.lstrip().startswith((_ARMOR, _HEADER)):
        raise _damaged(place, "it does not begin as an age file")
    return None


def _damaged(place: Path, cause: str) -> DeclarationError:
    way_out = "take it from your version control or from a copy; nothing was changed"
    return unusable(place, f"is truncated or has been edited ({cause})", way_out)


def _identity(path: Path) -> Any:  # noqa: ANN401
    if path not in _unlocked:
        _unlocked[path] = _load(path)
    return _unlocked[path]


def _load(path: Path) -> Any:  # noqa: ANN401
    if path.stat().st_mode & 0o077:
        raise unusable(path, "can be read by other users", f"run: chmod 600 {path}")
    data = path.read_bytes()
    try:
        if _is_ssh(data):
            clear = _without_passphrase(path, data) if _is_locked(path) else data
            return pyrage.ssh.Identity.from_buffer(clear)
        if _is_locked(path):
            data = pyrage.passphrase.decrypt(data, _passphrase(path))
        lines = [line for line in data.decode().splitlines() if line.startswith("AGE-SECRET-KEY-")]
        return pyrage.x25519.Identity.from_str(lines[0])
    except pyrage.DecryptError:
        raise unusable(path, "does not open with this passphrase", "try again") from None
    except (pyrage.IdentityError, IndexError, UnicodeDecodeError) as error:
        cause = str(error) if isinstance(error, pyrage.IdentityError) else "no AGE-SECRET-KEY in it"
        way_out = "use an age identity, or an SSH key of type ed25519 or rsa"
        raise unusable(path, f"is no identity ({cause})", way_out) from None


def _without_passphrase(path: Path, data: bytes) -> bytes:
    with warnings.catch_warnings():
        # Its warnings are about algorithms that are not used here.
        warnings.simplefilter("ignore")
        # cryptography costs 0.1 s to import, and few deploys need it.
        from cryptography.hazmat.primitives import serialization as ssh

        try:
            key = ssh.load_ssh_private_key(data, _passphrase(path).encode())
        except ValueError:
            raise unusable(path, "does not open with this passphrase", "try again") from None
        openssh = ssh.Encoding.PEM, ssh.PrivateFormat.OpenSSH, ssh.NoEncryption()
        return key.private_bytes(*openssh)


def _passphrase(path: Path) -> str:
    if not sys.stdin.isatty():
        way_out = f"run this in a terminal, or name an identity without one in {VARIABLE}"
        raise unusable(path, "needs a passphrase, and nobody can be asked", way_out)
    return getpass.getpass(f"Passphrase of {path}: ")


def _is_ssh(data: bytes) -> bool:
    return b"PRIVATE KEY-----" in data


def _is_locked(path: Path) -> bool:
    """Whether a passphrase protects it."""
    data = path.read_bytes()
    if not _is_ssh(data):
        return data.lstrip().startswith((_ARMOR, _HEADER))
    body = b"".join(line for line in data.splitlines() if not line.startswith(b"-----"))
    try:
        # The format's name, and then the cipher's: OpenSSH PROTOCOL.key.
        return not base64.b64decode(body).startswith(b"openssh-key-v1\0\0\0\0\x04none")
    except ValueError:
        return True


def _may_open(path: Path, data: bytes) -> bool:
    """False if the file's header names other SSH keys, by their short digests."""
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():
        return True
    digest = hashlib.sha256(base64.b64decode(public.read_text("utf-8").split()[1])).digest()
    tag = base64.b64encode(digest[:4]).rstrip(b"=")
    return any(line.split()[2:3] == [tag] for line in _stanzas(data))


def _stanzas(data: bytes) -> Iterator[bytes]:
    """The recipients' lines in an age file's header (age-encryption.org/v1)."""
    if data.lstrip().startswith(_ARMOR):
        body = b"".join(part for part in data.splitlines() if not part.startswith(b"-----"))
        data = base64.b64decode(body + b"=" * (-len(body) % 4))
    yield from (line for line in data.split(b"\n---")[0].splitlines() if line.startswith(b"-> "))


def _shown(keys: list[str]) -> str:
    return f"'{keys[0]}'" if keys else "YOUR-PUBLIC-KEY"
