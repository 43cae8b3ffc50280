"""Download, by pip, of the wheels that a lock file names for a system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

from llmrack.bundle.fetch import BundleError
from llmrack.bundle.targets import Target
from llmrack.stack.bundle import digest

# pip's names of the platforms that all wheels for Linux are built for; the oldest in use is 2.5.
OLDEST_GLIBC = 5


def pins(lock: str, target: Target) -> dict[str, list[str]]:
    """The packages of a lock file that ``target`` needs: ``name==version`` → digests in hex.

    pip evaluates markers for the Python that runs it, whatever ``--python-version`` says, so they
    are evaluated here.
    """
    python = target.distribution.python
    where = {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": "linux",
    }
    needed = {}
    text = "\n".join(line for line in lock.splitlines() if not line.lstrip().startswith("#"))
    for line in text.replace("\\\n", " ").splitlines():
        declared, *hashes = line.split("--hash=sha256:")
        if not declared.strip():
            continue
        requirement = Requirement(declared)
        if requirement.marker is None or requirement.marker.evaluate(where):
            needed[f"{requirement.name}{requirement.specifier}"] = [
                sha256.strip() for sha256 in hashes
            ]
    return needed


def get_wheels(locks: tuple[str, ...], target: Target, folder: Path) -> None:
    """Download exactly the wheels that ``locks`` name into ``folder``. Raises BundleError."""
    folder.mkdir(parents=True, exist_ok=True)
    needed = [pins(lock, target) for lock in locks]
    hashes = {sha256 for pinned in needed for digests in pinned.values() for sha256 in digests}
    have = set()
    for file in folder.iterdir():
        if (sha256 := digest(file)) in hashes:
            have.add(sha256)
        else:
            file.unlink()
    for pinned in needed:
        missing = {pin: digests for pin, digests in pinned.items() if have.isdisjoint(digests)}
        if missing:
            _download(missing, target, folder)


def _download(needed: dict[str, list[str]], target: Target, folder: Path) -> None:
    lines = [
        " ".join([pin, *(f"--hash=sha256:{sha256}" for sha256 in hashes)])
        for pin, hashes in needed.items()
    ]
    distribution = target.distribution
    versions = range(distribution.glibc, OLDEST_GLIBC - 1, -1)
    platforms = [f"manylinux_2_{minor}_{target.machine}" for minor in versions]
    platforms += [f"{name}_{target.machine}" for name in ("manylinux2014", "manylinux2010")]
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    command += ["--no-input", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--implementation", "cp", "--python-version", distribution.python]
    for platform in platforms:
        command += ["--platform", platform]
    command += ["--dest", str(folder), "-r", "/dev/stdin"]
    done = subprocess.run(  # noqa: S603  (our own interpreter, no shell)
        command, input="\n".join(lines), capture_output=True, text=True, check=False
    )
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["pip does not say why"]
        raise BundleError(f"pip could not get the wheels for {target.name}: {why[0]}")
