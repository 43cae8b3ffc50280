"""A backup: a tar of files, of the gateways' usage, and of a manifest that lists both."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from llmrack import __version__
from llmrack.files import replacement
from llmrack.secrets.audit import now
from llmrack.stack.types import Sha256

MANIFEST, USAGE, FILES = "manifest.json", "usage.json", "files"
# tarfile's compression by the ending of the name.
FORMS: dict[str, Literal["", "gz"]] = {".tar": "", ".tar.gz": "gz", ".tgz": "gz"}


class BackupError(Exception):
    """A backup cannot be written or used; the text has place, cause and way out."""


class Kept(BaseModel):
    """A file in a backup: its digest in hex, its bytes, its permissions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    mode: Annotated[int, Field(ge=0, le=0o777)]


class Manifest(BaseModel):
    """``manifest.json``, the last member.

    + llmrack: the version of llmrack that made the backup
    + made: the time, ISO 8601 in UTC
    + files: by name, relative to the project's folder or absolute
    + usage: the gateways' usage (``usage.json``), if the backup has it
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    llmrack: str
    made: str
    files: dict[str, Kept]
    usage: Kept | None = None


def member(name: str) -> str:
    """The name in the tar of a file of the manifest."""
    return f"{FILES}/outside{name}" if name.startswith("/") else f"{FILES}/inside/{name}"


def write_backup(file: Path, names: Sequence[str], folder: Path, usage: str | None) -> Manifest:
    """Write a backup with mode 0600; an earlier file of that name is replaced.

    + file: its name ends in one of FORMS
    + names: files, relative to ``folder`` or absolute
    + usage: content of ``usage.json``

    Raises BackupError; an earlier ``file`` is intact then.
    """
    form = next((form for ending, form in FORMS.items() if file.name.endswith(ending)), None)
    if form is None:
        raise BackupError(f"{file}: its name says no form: let it end in {', '.join(FORMS)}")
    try:
        with (
            replacement(file, 0o600) as beside,
            beside.open("wb") as opened,
            tarfile.open(fileobj=opened, mode=f"w:{form}") as tar,  # type: ignore[call-overload]
        ):
            files = {name: _add_file(tar, name, folder) for name in names}
            noted = _add_text(tar, USAGE, usage) if usage is not None else None
            manifest = Manifest(llmrack=__version__, made=now(), files=files, usage=noted)
            _add_text(tar, MANIFEST, manifest.model_dump_json(indent=1))
        return manifest
    except OSError as error:
        place = error.filename or file
        raise BackupError(f"{place}: {error.strerror or error}; no backup was written") from None


def _add_file(tar: tarfile.TarFile, name: str, folder: Path) -> Kept:
    path = folder / name
    with path.open("rb") as opened:
        status = os.fstat(opened.fileno())
        return _add(tar, member(name), opened, status.st_size, status.st_mode & 0o777)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> Kept:
    content = text.encode()
    return _add(tar, name, io.BytesIO(content), len(content), 0o600)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int, mode: int) -> Kept:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, mode
    reader = Digesting(content)
    tar.addfile(info, reader)
    return Kept(sha256=reader.sha256.hexdigest(), size=size, mode=mode)


class Digesting:
    """A reader of a file that computes the digest of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        content = self._file.read(size)
        self.sha256.update(content)
        return content
