"""Reads and writes secrets in clear, in `.env`."""

from __future__ import annotations

from pathlib import Path

from dotenv import dotenv_values

from llmrack.files import replace_file
from llmrack.problems import unusable
from llmrack.secrets.value import Secret


def read_env(path: Path) -> dict[str, str]:
    """The file's values by name, by python-dotenv; empty if there is no file.

    Raises DeclarationError when it cannot be read or is open to others.
    """
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise unusable(path, "can be read by other users", f"run: chmod 600 {path}")
    try:
        values = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise unusable(path, f"cannot be read ({error})", "make it a text file") from None
    return {name: value for name, value in values.items() if value is not None}


def write_env(path: Path, name: str, value: Secret) -> None:
    """Set one value; the other lines stay.

    The file is written beside and renamed, 0600 from its first byte.
    """
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    kept = [
        line for line in old.splitlines() if not line.startswith((f"{name}=", f"export {name}="))
    ]
    text = "\n".join([*kept, f"{name}={value.reveal()}", ""])
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text, 0o600)
