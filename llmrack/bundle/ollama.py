"""Download of Ollama's release and models into a bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

import httpx

from llmrack.bundle.fetch import BundleError, Say, fetch
from llmrack.components.ollama.models import manifest_path
from llmrack.components.ollama.release import archive_urls, local_archive
from llmrack.stack.bundle import BundledModel, digest
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.ollama.backends import may_use_rocm
from llmrack.stack.schema import Stack
from llmrack.stack.settings import ARCHIVES, ROCM, ReleaseFile

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OFFICIAL = "registry.ollama.ai"


def release_host(stack: Stack, fleet: Fleet) -> Host:
    """A host whose settings name the Ollama that all hosts get. Raises BundleError."""
    engines = [host for host in fleet.hosts if is_engine(stack, host)] or list(fleet.hosts)
    versions = sorted({host.settings.ollama_version for host in engines})
    if len(versions) > 1:
        raise BundleError(f"hosts differ in ollama_version ({', '.join(versions)}): set one")
    return engines[0]


def get_release(web: httpx.Client, engine: Host, file: ReleaseFile, path: Path) -> None:
    """Put a file of the release that ``engine`` declares at ``path``. Raises BundleError."""
    settings = engine.settings
    sha256 = settings.ollama_sha256.get(file)
    if not sha256:
        raise BundleError(f"ollama_sha256 has no digest for {file}: add the one of that archive")
    given = Path(local_archive(engine, file) or "")
    if given.is_file() and digest(given) == sha256:
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(given, path)
        return
    reasons = []
    for url in archive_urls(engine, file):
        try:
            return fetch(web, url, path, sha256)
        except BundleError as error:
            reasons.append(str(error))
    raise BundleError("; ".join(reasons))


def bundled_files(stack: Stack, fleet: Fleet, arches: Collection[str]) -> list[ReleaseFile]:
    """The files of the release that a deploy may need: the archives, and ROCm's libraries.

    ROCm's are left out if no host can have a card that needs them: a deploy sees the cards when it
    is too late to add a file.

    + arches: ``amd64``, ``arm64``
    """
    files = [arch for arch in ARCHIVES if arch in arches]
    if "amd64" in arches and ROCM in release_host(stack, fleet).settings.ollama_sha256:
        engines = [host for host in fleet.hosts if is_engine(stack, host)]
        files += [ROCM] * any(map(_may_need_rocm, engines))
    return files


def _may_need_rocm(host: Host) -> bool:
    """Whether a host has a card that ROCm uses, or may have one as far as is known."""
    return may_use_rocm(host) and (host.rocm or host.settings.gpu_required)


def get_model(
    web: httpx.Client, model: str, registry: str | None, folder: Path, say: Say
) -> BundledModel:
    """Download the manifest and the blobs of ``model`` into the bundle ``folder``.

    + model: with its tag
    + registry: the URL that stands in for Ollama's own

    Returns the files' names in the bundle. Raises BundleError. Source of the requests: Ollama's
    ``server/images.go``.
    """
    path = manifest_path(model)
    host, *name, tag = path.split("/")
    base = registry.rstrip("/") if registry and host == OFFICIAL else f"https://{host}"
    address = f"{base}/v2/{'/'.join(name)}"
    try:
        answer = web.get(f"{address}/manifests/{tag}", headers={"Accept": MANIFEST})
    except httpx.HTTPError as error:
        raise BundleError(f"{base} cannot be asked for {model}: {error}") from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise BundleError(f"{base} has no model {model!r}: correct its name or tag in stack.yaml")
    if not answer.is_success:
        raise BundleError(f"{base} answered {answer.status_code} when asked for {model}")
    sizes = _blobs(f"{address}/manifests/{tag}", answer.content)
    say(f"model {model}: {sum(sizes.values()) / 1e6:,.0f} MB")
    for sha256 in sizes:
        fetch(web, f"{address}/blobs/sha256:{sha256}", folder / _blob(sha256), sha256)
    manifest = f"models/manifests/{path}"
    (folder / manifest).parent.mkdir(parents=True, exist_ok=True)
    (folder / manifest).write_bytes(answer.content)
    return BundledModel(manifest=manifest, blobs=tuple(_blob(sha256) for sha256 in sizes))


def _blob(sha256: str) -> str:
    return f"models/blobs/sha256-{sha256}"


def _blobs(url: str, manifest: bytes) -> dict[str, int]:
    """The blobs that a manifest names: SHA-256 in hex → bytes."""
    try:
        data = json.loads(manifest)
        layers = [*data["layers"], data["config"]]
        return {layer["digest"].removeprefix("sha256:"): layer["size"] for layer in layers}
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{url} is no manifest of a model ({error!r})") from None
