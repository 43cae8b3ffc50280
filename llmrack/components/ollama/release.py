"""Ollama's release on a host: its directory, its archives, where they come from."""

from __future__ import annotations

from pathlib import Path

from llmrack.components.ollama.folders import home_of
from llmrack.resources.releases import Source
from llmrack.stack.fleet import Host
from llmrack.stack.ollama.backends import rocm_digest
from llmrack.stack.settings import ROCM, ReleaseFile

OFFICIAL = "https://github.com/ollama/ollama/releases/download"


def archive_urls(host: Host, file: ReleaseFile) -> tuple[str, ...]:
    """URLs of a file of the release: the mirror's first, then the official one."""
    settings = host.settings
    path = f"v{settings.ollama_version}/ollama-linux-{file}.tar.zst"
    bases = [settings.ollama_mirror] if settings.ollama_mirror else []
    return tuple(f"{base.rstrip('/')}/{path}" for base in [*bases, OFFICIAL])


def local_archive(host: Host, file: ReleaseFile) -> str | None:
    """A file of the release on the machine that deploys, or None.

    ROCm's lies beside the archive of the setting, under its official name.
    """
    if host.bundle:
        return str(host.bundle.archive(file))
    declared = host.settings.ollama_archive
    if declared is None or file != ROCM:
        return declared
    beside = Path(declared).with_name(f"ollama-linux-{file}.tar.zst")
    return str(beside) if beside.is_file() else None


def release_files(host: Host, arch: str) -> tuple[ReleaseFile, ...]:
    """The files that the release of ``host`` is made of: its archive, and ROCm's libraries.

    + arch: ``amd64`` or ``arm64``
    """
    main: ReleaseFile = "arm64" if arch == "arm64" else "amd64"
    return (main, ROCM) if main == "amd64" and rocm_digest(host) else (main,)


def release(host: Host, arch: str) -> str:
    """The release's directory: a new pin is a new directory, even for the same version."""
    settings = host.settings
    digests = [settings.ollama_sha256[file][:8] for file in release_files(host, arch)]
    # The version ends at the last hyphen, so there is none between the digests.
    return f"{home_of(host).releases}/{settings.ollama_version}-{'_rocm_'.join(digests)}"


def sources(host: Host, arch: str) -> tuple[Source, ...]:
    """The archives of the release, and where they come from."""
    return tuple(
        Source(
            host.settings.ollama_sha256[file],
            local_archive(host, file),
            archive_urls(host, file),
            host.downloads,
        )
        for file in release_files(host, arch)
    )
