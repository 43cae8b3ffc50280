"""Restoring the files of a backup: all of them, or none."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from llmrack.backup.archive import MANIFEST, BackupError, Digesting, Kept, Manifest, member
from llmrack.stack.bundle import digest

_DAMAGED = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Restored:
    """The result of an import.

    + written: names of the files that were restored
    + same: names of the files that were already the same
    """

    manifest: Manifest
    written: tuple[str, ...]
    same: tuple[str, ...]


def restore(file: Path, folder: Path, force: bool) -> Restored:
    """Put the files of a backup into ``folder``; absolute names go where they were.

    + force: whether to replace files that differ

    Raises BackupError if a file differs, the backup is damaged, or a file cannot be written;
    nothing is changed then.
    """
    try:
        with tarfile.open(file) as tar:
            manifest = _manifest(tar, file)
            same = tuple(name for name, kept in manifest.files.items() if _is(folder / name, kept))
            due = [name for name in manifest.files if name not in same]
            differ = [name for name in due if os.path.lexists(folder / name)]
            if differ and not force:
                raise BackupError(
                    f"{', '.join(differ)}: there already, and different; nothing was changed: move "
                    "what you need away, then give --force"
                )
            _put(tar, manifest, due, folder)
    except _DAMAGED as error:
        # For a file that is no archive, tarfile adds a line for each kind that it tried.
        why = str(error).partition("\n")[0].rstrip(":")
        raise BackupError(
            f"{file}: it cannot be read ({why}); nothing was changed: take another backup"
        ) from None
    except OSError as error:
        place = error.filename or folder
        raise BackupError(f"{place}: {error.strerror or error}; nothing was changed") from None
    return Restored(manifest, tuple(due), same)


def _manifest(tar: tarfile.TarFile, file: Path) -> Manifest:
    try:
        opened = tar.extractfile(MANIFEST)
        manifest = Manifest.model_validate_json(opened.read() if opened else b"")
    except (KeyError, ValidationError):
        raise BackupError(
            f"{file}: it has no {MANIFEST} that this version reads; take a file that `llmrack "
            "export` of this version has written"
        ) from None
    if bad := [name for name in manifest.files if ".." in PurePosixPath(name).parts]:
        raise BackupError(f"{file}: {', '.join(bad)} leads out of the folder; nothing was changed")
    return manifest


def _is(path: Path, kept: Kept) -> bool:
    return path.is_file() and path.stat().st_size == kept.size and digest(path) == kept.sha256


def _put(tar: tarfile.TarFile, manifest: Manifest, names: list[str], folder: Path) -> None:
    """Write all files beside their places, then rename all; a failure undoes everything."""
    with ExitStack() as undo:
        beside = {name: _write(tar, name, manifest.files[name], folder, undo) for name in names}
        for name, written in beside.items():
            _replace(written, folder / name, undo)
        undo.pop_all()
    for written in beside.values():
        _old(written).unlink(missing_ok=True)


def _write(tar: tarfile.TarFile, name: str, kept: Kept, folder: Path, undo: ExitStack) -> Path:
    """Write a file of the backup beside its place, and compare it with the list."""
    parent = (folder / name).parent
    missing = [directory for directory in (parent, *parent.parents) if not directory.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    for directory in reversed(missing):
        undo.callback(directory.rmdir)
    handle, beside = tempfile.mkstemp(dir=parent, prefix=f".{PurePosixPath(name).name}.")
    written = Path(beside)
    undo.callback(written.unlink, missing_ok=True)
    with os.fdopen(handle, "wb") as opened:
        try:
            source = tar.extractfile(member(name))
        except KeyError:
            source = None
        if source is None:
            raise tarfile.TarError(f"{name} is missing")
        reader = Digesting(source)
        shutil.copyfileobj(reader, opened)
        if reader.sha256.hexdigest() != kept.sha256:
            raise tarfile.TarError(f"{name} is damaged: its SHA-256 is not the one it had")
    written.chmod(kept.mode)
    return written


def _replace(written: Path, target: Path, undo: ExitStack) -> None:
    if os.path.lexists(target):
        target.rename(_old(written))
        undo.callback(_old(written).replace, target)
    else:
        undo.callback(target.unlink, missing_ok=True)
    written.replace(target)


def _old(written: Path) -> Path:
    return written.with_name(f"{written.name}.old")
