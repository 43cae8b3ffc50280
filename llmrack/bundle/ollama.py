"""Download of Ollama's release and models into a bundle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx

from llmrack.bundle.fetch import BundleError, Say, fetch
from llmrack.components.ollama.models import manifest_path
from llmrack.components.ollama.ollama import archive_urls
from llmrack.stack.bundle import BundledModel, digest
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import Stack

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OFFICIAL = "registry.ollama.ai"


def release_host(stack: Stack, fleet: Fleet) -> Host:
    """A host whose settings name the Ollama that all hosts get. Raises BundleError."""
    engines = [host for host in fleet.hosts if is_engine(stack, host)] or list(fleet.hosts)
    versions = sorted({host.settings.ollama_version for host in engines})
    if len(versions) > 1:
        raise BundleError(f"hosts differ in ollama_version ({', '.join(versions)}): set one")
    return engines[0]


def get_release(web: httpx.Client, engine: Host, arch: str, path: Path) -> None:
    """Put the release that ``engine`` declares at ``path``. Raises BundleError.

    + arch: ``amd64`` or ``arm64``
    """
    settings = engine.settings
    sha256 = settings.ollama_sha256.get(arch)  # type: ignore[call-overload]
    if not sha256:
        raise BundleError(f"ollama_sha256 has no digest for {arch}: add the one of that archive")
    given = Path(settings.ollama_archive or "")
    if given.is_file() and digest(given) == sha256:
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(given, path)
        return
    reasons = []
    for url in archive_urls(engine, arch):
        try:
            return fetch(web, url, path, sha256)
        except BundleError as error:
            reasons.append(str(error))
    raise BundleError("; ".join(reasons))


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
