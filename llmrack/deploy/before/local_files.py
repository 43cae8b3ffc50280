"""Local files that go to hosts: they are what is declared, before any host is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from llmrack.resources.change import Build, Change


def wrong_files(
    folder: Path, changes: Iterable[Change], known: dict[tuple[str, str], str]
) -> list[str]:
    """Why files that this run is to send must not be sent; nothing is read when none is due.

    + folder: where the files' paths begin
    + known: what was found out before, which is added to: for a file and its declared SHA-256 why
      it must not be sent, or an empty text
    """
    due = {
        file
        for change in changes
        for action in change.actions
        if isinstance(action, Build)
        for file in action.files
    }
    for name, digest in due - known.keys():
        known[name, digest] = _wrong(folder / name, digest)
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
