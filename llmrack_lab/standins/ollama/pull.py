"""``POST /api/pull``: fetch a model from a registry, as Ollama's ``PullModel`` does."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from . import STANDIN_VERSION
from .errors import ApiError
from .names import ModelName
from .store import MANIFEST_TYPE, Layer, Store
from .types import JsonObject

_CHUNK_BYTES = 256 * 1024
# A registry that sends nothing for so long has stalled; Ollama retries such a part after 30 s.
_STALL_S = 30.0
_ATTEMPTS = 6

_downloads: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


def pull(store: Store, name: ModelName, insecure: bool) -> Iterator[JsonObject]:
    """Fetch manifest and blobs; yields the progress lines, the last one being ``success``.

    Args:
        store: where the model goes.
        name: the model; its host is the registry.
        insecure: use http, not https. (Ollama does exactly that, it does not try https first.)

    Raises:
        ApiError: the model does not exist there, or the registry does not deliver.
    """
    base = f"{'http' if insecure else 'https'}://{name.host}/v2/{name.namespace}/{name.model}"
    yield {"status": "pulling manifest"}
    manifest = _fetch_manifest(f"{base}/manifests/{name.tag}")
    data = json.loads(manifest)
    try:
        before = [str(layer["digest"]) for layer in store.manifest(name).all_layers]
    except FileNotFoundError:
        before = []
    for layer in [*data["layers"], data["config"]]:
        yield from _fetch_blob(store, base, layer)
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    store.write_manifest(name, manifest)
    store.remove_unused(before)
    yield {"status": "success"}


def _fetch_manifest(url: str) -> bytes:
    try:
        with _open(url, {"Accept": MANIFEST_TYPE}) as response:
            content: bytes = response.read()
            return content
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            raise ApiError(500, "pull model manifest: file does not exist") from None
        detail = error.read().decode(errors="replace")
        raise ApiError(500, f"pull model manifest: {error.code}: {detail}") from None
    except (OSError, HTTPException) as error:
        raise ApiError(500, f'pull model manifest: Get "{url}": {_reason(error)}') from None


def _fetch_blob(store: Store, base: str, layer: Layer) -> Iterator[JsonObject]:
    digest, total = str(layer["digest"]), int(layer["size"])
    path = store.blob_path(digest)
    progress = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
    # Of two pulls of a blob the second goes on where the first one ended.
    with _downloads[path]:
        if path.exists():
            yield {**progress, "completed": total}
            return
        partial = path.with_name(f"{path.name}-partial")
        yield progress
        for attempt in range(_ATTEMPTS):
            try:
                for completed in _resume(f"{base}/blobs/{digest}", partial):
                    yield {**progress, "completed": completed}
                break
            except urllib.error.HTTPError as error:
                if error.code == HTTPStatus.NOT_FOUND:
                    raise ApiError(500, "file does not exist") from None
                if attempt == _ATTEMPTS - 1:
                    raise ApiError(500, f"max retries exceeded: {error}") from None
            except (OSError, HTTPException) as error:
                if getattr(error, "errno", None) == errno.ENOSPC:
                    # Ollama gives up at once then (server/download.go).
                    raise ApiError(500, f"write {partial}: no space left on device") from None
                if attempt == _ATTEMPTS - 1:
                    raise ApiError(500, f"max retries exceeded: {_reason(error)}") from None
        _verify(partial, digest)
        partial.chmod(0o644)
        partial.replace(path)


def _resume(url: str, partial: Path) -> Iterator[int]:
    """Append the rest of a blob to its part; yields the bytes that are there."""
    completed = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={completed}-"} if completed else {}
    with _open(url, headers) as response:
        # A registry that ignores the range sends the whole blob again.
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        expected = int(response.headers["Content-Length"])
        completed = completed if resumed else 0
        with partial.open("ab" if resumed else "wb") as file:
            while expected > 0:
                chunk = response.read1(_CHUNK_BYTES)
                if not chunk:
                    raise HTTPException("unexpected EOF")
                file.write(chunk)
                expected -= len(chunk)
                completed += len(chunk)
                yield completed


def _verify(partial: Path, digest: str) -> None:
    with partial.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if f"sha256:{got}" != digest:
        partial.unlink()
        raise ApiError(
            500,
            f"digest mismatch, file must be downloaded again: want {digest}, got sha256:{got}",
        )


def _open(url: str, headers: dict[str, str]) -> HTTPResponse:
    agent = {"User-Agent": f"ollama/{STANDIN_VERSION}"}
    request = urllib.request.Request(url, headers={**headers, **agent})  # noqa: S310  (http[s])
    response: HTTPResponse = urllib.request.urlopen(request, timeout=_STALL_S)  # noqa: S310
    return response


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error)
