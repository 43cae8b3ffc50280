"""What systemd knows of a unit, with the environment that its files declare.

It is sent to hosts: Python 3.10 and its standard library.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNIT_FIELDS = (
    *("LoadState", "ActiveState", "UnitFileState", "FragmentPath", "DropInPaths", "User"),
    *("MainPID", "Environment", "EnvironmentFiles"),
)


def about_unit(run: Callable[[list[str]], str], unit: str) -> dict[str, Any]:
    """What systemd knows of a unit of the system's, and its whole environment.

    + run: what a command prints; empty where it fails
    """
    text = run(["systemctl", "show", "--no-pager", f"--property={','.join(UNIT_FIELDS)}", unit])
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        fields.setdefault(name, []).append(value)
    first = {name: values[0] for name, values in fields.items()}
    values: dict[str, str] = {}
    for line in fields.get("EnvironmentFiles", ()):
        values |= variables_in(line.rpartition(" (")[0] or line)
    values = assignments(first.get("Environment", "")) | values
    return {
        "user": first.get("User") or "root",
        "active": first.get("ActiveState", ""),
        "enabled": first.get("UnitFileState", ""),
        "files": [path for path in (first.get("FragmentPath", ""),) if path]
        + first.get("DropInPaths", "").split(),
        "values": values,
        "is_loaded": first.get("LoadState") == "loaded",
    }


def variables_in(path: str) -> dict[str, str]:
    """The variables of an ``EnvironmentFile=``."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return assignments(" ".join(line for line in lines if re.match(r"\s*[A-Za-z_]\w*=", line)))


def assignments(text: str) -> dict[str, str]:
    """Names and values as a shell quotes them."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    pairs = (word.partition("=") for word in words)
    return {name: value for name, equals, value in pairs if equals}
