"""Local files that go to hosts: they are what is declared, before any host is touched."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from llmrack.resources.change import Build

if TYPE_CHECKING:
    from llmrack.deploy.run.rack import Rack


def wrong_files(rack: Rack) -> list[str]:
    """Why files that this run is to send must not be sent; nothing is read when none is due."""
    due = {
        file
        for part in rack.changes.values()
        for change in part
        for action in change.actions
        if isinstance(action, Build)
        for file in action.files
    }
    known = rack.run.local_files
    for name, digest in due - known.keys():
        known[name, digest] = _wrong(rack.run.folder / name, digest)
    return [reason for file in sorted(due) if (reason := known[file])]


def _wrong(path: Path, digest: str) -> str:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}): correct its path in stack.yaml"
    if found != digest:
        return f"{path} has the SHA-256 {found}, not the declared one: one of them is wrong"
    return ""
