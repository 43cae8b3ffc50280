"""Which Ollama the lab's hosts get: a given archive, the official release, or the stand-in."""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llmrack_lab.shell import LabError, run

ARCHIVE_VARIABLE = "LLMRACK_TEST_OLLAMA_ARCHIVE"
OFFICIAL_URL = "https://github.com/ollama/ollama/releases/download/v{version}/{file}"
GROUP_DATA = Path(__file__).parents[1] / "group_data" / "gpu.py"

# The archive with ROCm's libraries, as settings and releases call it.
ROCM, ROCM_FILE = "amd64-rocm", "ollama-linux-amd64-rocm.tar.zst"

Kind = Literal["stand-in", "official", "archive"]


@dataclass(frozen=True)
class Release:
    """The release that the lab's hosts install; `archive` is the file on the lab's mirror.

    The official one has none: hosts take it from GitHub, and its models from Ollama's registry.
    `rocm` is the file there with ROCm's libraries, if the release has one.
    """

    kind: Kind
    version: str
    archive: Path | None = None
    rocm: Path | None = None

    def settings(self, architecture: str) -> dict[str, object]:
        """What the deploy has to be told; nothing for the official release."""
        if self.archive is None:
            return {}
        digests = {architecture: _digest(self.archive)}
        if self.rocm:
            digests[ROCM] = _digest(self.rocm)
        return {
            "ollama_version": self.version,
            "ollama_mirror": "http://mirror.lab",
            "ollama_sha256": digests,
        }


def choose(remembered: Kind | None, mirror: Path, architecture: str) -> Release:
    """Choose the release, and put its archive on the `mirror` folder if it is not the official one.

    The archive that LLMRACK_TEST_OLLAMA_ARCHIVE names comes first, then what the lab had chosen
    before (`remembered`), then the official release if it can be downloaded from here.
    """
    file = f"ollama-linux-{architecture}.tar.zst"
    if given := os.environ.get(ARCHIVE_VARIABLE):
        archive = Path(given).resolve()
        if not archive.is_file():
            raise LabError(f"{ARCHIVE_VARIABLE} names {given}, and there is no such file")
        version = _version_of(archive)
        target = _put(archive, mirror / f"v{version}" / file)
        digests, rocm = {architecture: _digest(target)}, None
        if (beside := archive.with_name(ROCM_FILE)).is_file():
            rocm = target.with_name(ROCM_FILE)
            rocm.symlink_to(beside)
            digests[ROCM] = _digest(rocm)
        _write_checksums(mirror, version, digests)
        return Release("archive", version, target, rocm)
    pinned = str(_pin()["ollama_version"])
    if remembered == "official" or (remembered is None and _can_download(pinned, file)):
        return Release("official", pinned)

    from llmrack_lab.standins.ollama_archive import (
        STANDIN_VERSION,
        build_archive,
        build_rocm_archive,
    )

    folder = mirror / f"v{STANDIN_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    target = build_archive(mirror / "build", architecture).rename(folder / file)
    rocm = build_rocm_archive(mirror / "build").rename(folder / ROCM_FILE)
    # It is the same for every architecture.
    digests = dict.fromkeys(("amd64", "arm64"), _digest(target)) | {ROCM: _digest(rocm)}
    _write_checksums(mirror, STANDIN_VERSION, digests)
    return Release("stand-in", STANDIN_VERSION, target, rocm)


def _pin() -> dict[str, Any]:
    return runpy.run_path(str(GROUP_DATA))


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _write_checksums(mirror: Path, version: str, digests: Mapping[str, str]) -> None:
    """Put ``sha256sum.txt`` beside a release's archives, as Ollama's releases have it.

    The pinned release gets one, too, for `llmrack pin`, though none of its archives is there.
    """
    pin = _pin()
    pinned: dict[str, str] = pin["ollama_sha256"]
    by_version = {pin["ollama_version"]: pinned}
    by_version[version] = {**by_version.get(version, {}), **digests}
    for listed, sums in by_version.items():
        folder = mirror / f"v{listed}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{sums[arch]}  ./ollama-linux-{arch}.tar.zst\n" for arch in sorted(sums)]
        (folder / "sha256sum.txt").write_text("".join(lines))


def _can_download(version: str, file: str) -> bool:
    # httpx costs 0.1 s to import; every command imports this module.
    import httpx

    url = OFFICIAL_URL.format(version=version, file=file)
    try:
        return httpx.head(url, follow_redirects=True, timeout=3).is_success
    except httpx.HTTPError:
        return False


def _version_of(archive: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        # GNU tar finds `--zstd` only in a file, not in a pipe; "./" prefixes vary between archives.
        listed = run(["tar", "--zstd", "-tf", archive], timeout=300).stdout.split()
        member = next((name for name in listed if name.removeprefix("./") == "bin/ollama"), None)
        if member is None:
            raise LabError(f"{archive} has no bin/ollama, so it is no release of Ollama for Linux")
        run(["tar", "--zstd", "-xf", archive, "-C", folder, member], timeout=300)
        # Nothing listens on the discard port, so the program speaks of itself only.
        environment = {"OLLAMA_HOST": "127.0.0.1:9", "HOME": folder}
        done = run([Path(folder) / member, "-v"], env=environment)
    match = re.search(r"(?:client )?version is (\d+\.\d+\.\d+\S*)", done.stdout + done.stderr)
    if not match:
        raise LabError(f"bin/ollama of {archive} does not tell its version: {done.stdout.strip()}")
    return match[1]


def _put(archive: Path, target: Path) -> Path:
    if target.parent.exists():
        shutil.rmtree(target.parent)
    target.parent.mkdir(parents=True)
    target.symlink_to(archive)
    return target
