"""Secrets from the environment and from ``.env``."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv import dotenv_values

from llmrack.problems import DeclarationError, Problem
from llmrack.secrets.value import Secret

MASTER_KEY = "LITELLM_MASTER_KEY"


def load_secrets(
    path: Path, names: Iterable[str], environ: Mapping[str, str] | None = None
) -> dict[str, Secret]:
    """The secrets called ``names`` that have a real value.

    The environment is asked first, then ``path`` (by python-dotenv). Empty and placeholder values
    count as absent. Raises DeclarationError when ``path`` cannot be read or is open to others.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, str | None] = {}
    if path.exists():
        _check_mode(path)
        try:
            values = dotenv_values(path, interpolate=False)
        except (OSError, UnicodeDecodeError) as error:
            raise DeclarationError(
                [Problem(str(path), "", f"cannot be read ({error})", "make it a text file")]
            ) from None
    found = {}
    for name in names:
        for value in (environ.get(name), values.get(name)):
            if value is not None and not Secret(value).is_placeholder:
                found[name] = Secret(_one_line(path, name, value))
                break
    return found


def ensure_master_key(path: Path, environ: Mapping[str, str] | None = None) -> bool:
    """Generate the gateway's master key once, when neither environment nor ``path`` has one.

    The file is written beside and renamed, 0600 from its first byte. Returns whether it wrote.
    """
    if load_secrets(path, [MASTER_KEY], environ):
        return False
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    kept = [line for line in old.splitlines() if not line.startswith(f"{MASTER_KEY}=")]
    text = "\n".join([*kept, f"{MASTER_KEY}=sk-{secrets.token_urlsafe(32)}", ""])
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp makes the file 0600.
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".env.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return True


def _check_mode(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise DeclarationError(
            [Problem(str(path), "", "can be read by other users", f"run: chmod 600 {path}")]
        )


def _one_line(path: Path, name: str, value: str) -> str:
    if any(character in value for character in "\n\r\0"):
        raise DeclarationError(
            [Problem(str(path), name, "has a line break in it", "write the key on one line")]
        )
    return value
