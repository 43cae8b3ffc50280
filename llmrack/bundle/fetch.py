"""Downloads that continue an earlier one, and are put in place only if their digest is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx

from llmrack.stack.bundle import digest

ATTEMPTS = 4
TIMEOUT = httpx.Timeout(60)

Say = Callable[[str], None]


class BundleError(Exception):
    """A bundle cannot be made; the text has cause and way out."""


def client() -> httpx.Client:
    """An HTTP client with this machine's proxies and SSL_CERT_FILE."""
    return httpx.Client(follow_redirects=True, timeout=TIMEOUT)


def fetch(web: httpx.Client, url: str, path: Path, sha256: str) -> None:
    """Download ``url`` to ``path`` and compare its SHA-256 (hex). Raises BundleError.

    A file that is right is kept; a partial download is continued.
    """
    if path.is_file() and digest(path) == sha256:
        return
    part = path.with_name(f"{path.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _download(web, url, part)
            break
        except httpx.HTTPStatusError as error:
            raise BundleError(f"{url} answered {error.response.status_code}") from None
        except httpx.HTTPError as error:
            if attempt == ATTEMPTS:
                raise BundleError(
                    f"{url} could not be fetched ({error or type(error).__name__}); "
                    "run it again and it goes on"
                ) from None
    if digest(part) != sha256:
        part.unlink()
        raise BundleError(f"{url} is not the file it should be: its SHA-256 is not {sha256}")
    part.rename(path)


def _download(web: httpx.Client, url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    with web.stream("GET", url, headers={"Range": f"bytes={have}-"} if have else {}) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            # The file is complete or too long; the digest decides.
            return
        answer.raise_for_status()
        continued = answer.status_code == httpx.codes.PARTIAL_CONTENT
        with part.open("ab" if continued else "wb") as file:
            for chunk in answer.iter_bytes():
                file.write(chunk)
