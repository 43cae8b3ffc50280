"""Makes the lock files: `make lock`.

A release comes into a lock file when it has been out for OLD_ENOUGH, its authors have not taken it
back (yanked, PEP 592), and the advisory data that `make audit` reads does not name it. Malicious
releases of known packages are found out early: LiteLLM 1.82.7 and 1.82.8 were taken down on the day
they came out (BerriAI/litellm#24518). Later the digest in the lock file protects.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from llmrack.files import replacement

# As uv reads it: how long a release must have been in the index.
OLD_ENOUGH = "7 days"
_YANKED = re.compile(r"^warning: `(.+)` is yanked.*$", re.MULTILINE)


@dataclass(frozen=True)
class Lock:
    """A lock file.

    + folder: where uv runs, below the project
    + source: what is asked for, in that folder
    + file: the lock file there
    + options: of `uv pip compile`
    """

    folder: str
    source: str
    file: str
    options: tuple[str, ...]


# Of hosts, the oldest Python is Ubuntu 22.04's.
_ON_HOSTS = ("--python-version", "3.10", "--only-binary", ":all:")
GATEWAY = Lock("templates/gateway", "requirements.in", "requirements.txt", _ON_HOSTS)
LOCKS = (
    Lock(".", "pyproject.toml", "requirements.lock", ("--python-version", "3.11", "--all-extras")),
    GATEWAY,
    Lock("templates/gateway", "uv.in", "uv.txt", _ON_HOSTS),
)


class Refused(Exception):
    """A release that must not be locked: which one, why, and the way out."""


def make_locks(root: Path, locks: Sequence[Lock], audit: Sequence[str]) -> None:
    """Resolve what is asked for, and replace all lock files when nothing is wrong with any.

    + root: the project's folder
    + audit: pip-audit's command without files, which fails for one that has a known vulnerability

    What was locked before stays where it fits. Raises Refused, with all lock files as they were.
    """
    with ExitStack() as stack:
        for lock in locks:
            file = root / lock.folder / lock.file
            beside = stack.enter_context(replacement(file, 0o644))
            # uv keeps the releases that its output names already.
            shutil.copyfile(file, beside)
            resolve(root, lock, beside)
            _look_for_advisories(_pins(beside) - _pins(file), audit)


def resolve(root: Path, lock: Lock, output: Path) -> None:
    """Write what is asked for into ``output``, with digests. Versions in it stay where they fit.

    Raises Refused for what is too young, yanked, or cannot be had together.
    """
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "compile", "--no-header", "--generate-hashes", "--universal"]
    command += ["--exclude-newer", OLD_ENOUGH, *lock.options, "-o", str(output), lock.source]
    # The lock itself, which uv prints, says nothing new.
    done = subprocess.run(  # noqa: S603  (as declared above)
        command,
        cwd=root / lock.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = f"{lock.source}: {done.stderr.strip()}"
        if "exclude-newer" in reason:
            reason += (
                f"\nA release is locked when it has been out for {OLD_ENOUGH} (tools/lock.py), so "
                "that a bad one is found out before: ask for an older one, or wait"
            )
        raise Refused(reason)
    sys.stderr.write(done.stderr)
    if taken_back := _YANKED.findall(done.stderr):
        raise Refused(
            f"{lock.source}: taken back by its authors (yanked): {', '.join(taken_back)}; ask for "
            "another release, or exclude that one with !="
        )


def _pins(lock: Path) -> set[str]:
    """The entries of a lock file: a pin with its digests each, without comments."""
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    return set(re.findall(r"^\S.*(?:\n .*)*", "\n".join(lines), re.MULTILINE))


def _look_for_advisories(added: set[str], audit: Sequence[str]) -> None:
    """Raise Refused where one of the added entries of a lock file has a known vulnerability."""
    if not added:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "added.txt"
        file.write_text("\n".join(sorted(added)) + "\n")
        done = subprocess.run([*audit, "-r", file], check=False)  # noqa: S603  (the Makefile's)
    if done.returncode:
        raise Refused(
            "pip-audit found a known vulnerability in what would be new in a lock file, or could "
            "not look: see above; ask for another release"
        )


if __name__ == "__main__":
    try:
        make_locks(Path.cwd(), LOCKS, sys.argv[1:])
    except Refused as error:
        sys.exit(f"No lock file was changed. {error}")
