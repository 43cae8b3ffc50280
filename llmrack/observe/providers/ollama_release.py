"""Pins a release of Ollama: fetches its checksums, and writes them into group_data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from llmrack.components.ollama.release import OFFICIAL
from llmrack.files import replace_file
from llmrack.site.declared import fleet_of, open_inventory
from llmrack.stack.fleet import Host
from llmrack.stack.ollama.pinning import NotPinned, Pin, PinnedFile, pin_in, read_checksums

# The file with the checksums of a release's archives, beside them.
CHECKSUMS = "sha256sum.txt"
RELEASES = "https://github.com/ollama/ollama/releases"
GROUP_DATA = "group_data"
# Seconds: for a connection and between two pieces, and for the whole.
TIMEOUT, DEADLINE = httpx.Timeout(20, connect=10), 60.0
# Bytes; a real file has two thousand.
MOST_BYTES = 1 << 20


class NotAsked(Exception):
    """A source could not be asked; the text says which, and why."""


@dataclass(frozen=True)
class Checksums:
    """A release's ``sha256sum.txt``.

    + source: its URL
    """

    source: str
    text: str


def declared_hosts(inventory: str, folder: Path) -> tuple[Host, ...]:
    """The hosts of an inventory; raises FileNotFoundError and DeclarationError."""
    return fleet_of(open_inventory(inventory, folder), folder).hosts


def sources(hosts: Sequence[Host]) -> tuple[str, ...]:
    """The sources of releases and archives: the hosts' mirrors, then GitHub."""
    mirrors = [host.settings.ollama_mirror for host in hosts if host.settings.ollama_mirror]
    return (*dict.fromkeys(mirrors), OFFICIAL)


def fetch_checksums(version: str, bases: Sequence[str]) -> Checksums:
    """The checksums of a release, from the first of its sources that has them.

    + bases: URLs of the sources, as in ``ollama_mirror``

    Raises NotPinned if no source has that release, and NotAsked if one did not answer.
    """
    missing: list[str] = []
    failed: list[str] = []
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT) as web:
        for base in bases:
            url = f"{base.rstrip('/')}/v{version}/{CHECKSUMS}"
            try:
                return Checksums(url, _read(web, url))
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                (missing if status == httpx.codes.NOT_FOUND else failed).append(
                    f"{url} answers {status}"
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                failed.append(f"{url} cannot be reached ({error or type(error).__name__})")
    causes = "; ".join([*missing, *failed])
    if failed:
        raise NotAsked(f"{causes}; name a source that answers with --mirror")
    raise NotPinned(f"there is no Ollama {version}: {causes}; {RELEASES} lists what there is")


def _read(web: httpx.Client, url: str) -> str:
    content = b""
    end = time.monotonic() + DEADLINE
    with web.stream("GET", url) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            content += chunk
            if len(content) > MOST_BYTES or time.monotonic() > end:
                raise httpx.ReadError(f"more than {MOST_BYTES} bytes, or {DEADLINE:.0f} s")
    return content.decode("utf-8", "replace")


def write_pin(version: str, checksums: Checksums, folders: Sequence[Path]) -> PinnedFile:
    """Write a release into the settings, in one step; returns the change.

    + folders: the folders in which pyinfra looks for ``group_data``: this one and the inventory's

    A file that names that release already is not written. Raises NotPinned and OSError.
    """
    pin = Pin(version, read_checksums(checksums.text, checksums.source))
    paths = {path.resolve(): path for folder in folders for path in _group_data(folder)}
    files = {str(path): path.read_bytes() for path in paths.values()}
    change = pin_in(files, pin)
    if change.after != change.before:
        file = Path(change.name).resolve()
        replace_file(file, change.after, file.stat().st_mode & 0o777)
    return change


def _group_data(folder: Path) -> list[Path]:
    return sorted((folder / GROUP_DATA).glob("*.py"))


def elsewhere(hosts: Sequence[Host], change: PinnedFile) -> tuple[str, ...]:
    """Hosts whose release is set in another place than the changed file."""
    return tuple(
        host.name
        for host in hosts
        if "ollama_version" in host.settings.model_fields_set
        and host.settings.ollama_version != change.version
    )
