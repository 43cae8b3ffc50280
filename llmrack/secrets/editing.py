"""The vault in an editor, decrypted in memory alone."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from llmrack.problems import unusable
from llmrack.secrets import store, vault
from llmrack.secrets.places import Places
from llmrack.secrets.value import Secret

# File systems in memory: the user's own (systemd), and the one of every Linux.
_MEMORY = "XDG_RUNTIME_DIR", "/dev/shm"  # noqa: S108  (a folder of our own is made in it, 0700)
_HELP = "# NAME: value, a line each. Lines that you delete are removed from the vault.\n"


def edit_values(places: Places) -> list[str]:
    """Let the user edit all values in $EDITOR; returns the names of the changed ones.

    Changes of others in the meantime are not overwritten. Raises DeclarationError, with the vault
    intact.
    """
    store.insist_on_vault(places)
    before = {name: entry.value for name, entry in vault.read(places.vault).secrets.items()}
    after = _parse(places.vault, _edited(places.vault, before))
    different = {n: v for n, v in after.items() if before.get(n) != v}
    removed = [name for name in before if name not in after]
    if different or removed:
        store.replace(places, before, different, removed)
    return sorted([*different, *removed])


def _edited(path: Path, values: dict[str, Secret]) -> str:
    clear = {name: value.reveal() for name, value in sorted(values.items())}
    text = _HELP + (yaml.safe_dump(clear, allow_unicode=True, width=10_000) if clear else "")
    folder = Path(tempfile.mkdtemp(dir=_in_memory(path)))
    try:
        file = folder / "secrets.yaml"
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            done = subprocess.run([*shlex.split(editor), str(file)], check=False)  # noqa: S603
        except FileNotFoundError:
            raise unusable(
                path, f"cannot be edited: there is no {editor!r}", "set EDITOR"
            ) from None
        if done.returncode != 0:
            cause = f"is as it was: the editor ended with {done.returncode}"
            raise unusable(path, cause, "save and leave it without an error")
        return file.read_text(encoding="utf-8")
    finally:
        shutil.rmtree(folder)


def _in_memory(path: Path) -> str:
    for folder in (os.environ.get(_MEMORY[0], ""), _MEMORY[1]):
        if folder and os.access(folder, os.W_OK) and _is_tmpfs(folder):
            return folder
    way_out = "use llmrack secrets set"
    raise unusable(path, "cannot be edited: no file system in memory is writable here", way_out)


def _is_tmpfs(folder: str) -> bool:
    """Whether the file system of `folder` is in memory (proc_pid_mounts(5))."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    kinds = {place: kind for place, kind in mounts}
    real = Path(folder).resolve()
    nearest = next(str(parent) for parent in (real, *real.parents) if str(parent) in kinds)
    return kinds[nearest] in ("tmpfs", "ramfs")


def _parse(path: Path, text: str) -> dict[str, Secret]:
    try:
        values = yaml.safe_load(text) or {}
        if not isinstance(values, dict) or not all(isinstance(v, str) for v in values.values()):
            raise ValueError
    except (ValueError, yaml.YAMLError):
        # PyYAML's message would show the line.
        cause = "is as it was: what you saved is not NAME: value, a line each"
        raise unusable(path, cause, "put values in quotes, and run it again") from None
    return {str(name): Secret(value) for name, value in values.items()}
