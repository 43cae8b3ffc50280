"""Reads the keys in a file of SOPS (github.com/getsops/sops) with `sops` itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from llmrack.problems import unusable


def read(path: Path) -> dict[str, str]:
    """The secrets by name: the top level of the file, decrypted in memory.

    Raises DeclarationError if `sops` is missing or cannot decrypt it, or if it holds other values.
    """
    program = shutil.which("sops")
    if program is None:
        way_out = "install sops, or make a vault of llmrack's: a secrets_file that ends in .age"
        raise unusable(path, "is read by sops, which is not installed", way_out)
    done = subprocess.run(  # noqa: S603  (no shell; the file's name is the user's own)
        [program, "--decrypt", "--output-type", "json", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())[:300]
        raise unusable(path, f"cannot be decrypted by sops ({reason})", f"try: sops decrypt {path}")
    try:
        values = json.loads(done.stdout)
        return {str(name): _text(value) for name, value in values.items()}
    except (ValueError, TypeError, AttributeError):
        # The exception's text could show a value.
        way_out = "write NAME: value at its top level"
        raise unusable(path, "has something else in it than names and values", way_out) from None


def _text(value: object) -> str:
    if isinstance(value, dict | list) or value is None:
        raise TypeError
    return str(value)
