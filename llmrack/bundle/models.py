"""Models, from a registry into the layout in which Ollama keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from llmrack.bundle.fetch import BundleError, Say, fetch
from llmrack.components.ollama.models import manifest_path
from llmrack.stack.bundle import BundledModel

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OFFICIAL = "registry.ollama.ai"


def get_model(
    web: httpx.Client, model: str, registry: str | None, folder: Path, say: Say
) -> BundledModel:
    """Have the manifest and the blobs of ``model`` in the bundle ``folder``.

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
    for digest in sizes:
        fetch(web, f"{address}/blobs/sha256:{digest}", folder / _blob(digest), digest)
    manifest = f"models/manifests/{path}"
    (folder / manifest).parent.mkdir(parents=True, exist_ok=True)
    (folder / manifest).write_bytes(answer.content)
    return BundledModel(manifest=manifest, blobs=tuple(_blob(digest) for digest in sizes))


def _blob(digest: str) -> str:
    return f"models/blobs/sha256-{digest}"


def _blobs(url: str, manifest: bytes) -> dict[str, int]:
    """What a manifest names: SHA-256 in hex → bytes."""
    try:
        data = json.loads(manifest)
        layers = [*data["layers"], data["config"]]
        return {layer["digest"].removeprefix("sha256:"): layer["size"] for layer in layers}
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{url} is no manifest of a model ({error!r})") from None
