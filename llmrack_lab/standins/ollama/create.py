"""``POST /api/create``: a new model from another one or from GGUF blobs (``server/create.go``)."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import PurePosixPath

from . import STANDIN_VERSION
from .errors import ApiError
from .gguf import read_metadata
from .names import ModelName
from .pull import pull
from .store import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Layer, Store
from .types import JsonObject

# Names of file types (ggml's docs/gguf.md); Ollama takes 0, which is F32, for unknown.
_FILE_TYPES = {1: "F16"}

LAST_WITH_ADAPTERS = (0, 34, 0)
"""``errAdaptersUnsupported`` in server/create.go of v0.34.1."""

_Steps = Generator[JsonObject, None, tuple[list[Layer], JsonObject]]


def create(store: Store, body: JsonObject) -> Iterator[JsonObject]:
    """Create a model; yields the progress lines.

    Raises:
        ApiError: the request or the base model is not usable.
    """
    try:
        name = ModelName.parse(body.get("model") or body.get("name") or "")
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    if body.get("quantize"):
        raise ApiError(501, "quantize is not supported: this is a stand-in, not Ollama")
    files, adapters = body.get("files") or {}, body.get("adapters") or {}
    if any(path.startswith("/") or ".." in PurePosixPath(path).parts for path in files):
        raise ApiError(400, "file path must be relative")
    if adapters and _version() > LAST_WITH_ADAPTERS:
        raise ApiError(400, "LoRA adapters are no longer supported")
    if not all((*files.values(), *adapters.values())):
        raise ApiError(400, "invalid digest format")
    return _create(store, name, body)


def _version() -> tuple[int, ...]:
    return tuple(map(int, STANDIN_VERSION.partition("-")[0].split(".")))


def _create(store: Store, name: ModelName, body: JsonObject) -> Iterator[JsonObject]:
    try:
        before = [str(layer["digest"]) for layer in store.manifest(name).all_layers]
    except FileNotFoundError:
        before = []
    if body.get("from"):
        layers, config = yield from _from_model(store, str(body["from"]))
    elif body.get("files"):
        layers, config = yield from _from_files(store, body["files"])
    else:
        raise ApiError(400, "neither 'from' or 'files' was specified")
    if body.get("adapters"):
        if len(body["adapters"]) > 1:
            raise ApiError(400, "only one adapter is currently supported")
        adapters, described = yield from _from_files(store, body["adapters"])
        layers += adapters
        config["model_families"] = [*config["model_families"], *described["model_families"]]
    layers = yield from _overlay(store, layers, body)
    config["rootfs"] = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    config_layer, _ = store.add([json.dumps(config).encode()], CONFIG_TYPE)
    yield {"status": "writing manifest"}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config_layer,
        "layers": layers,
    }
    store.write_manifest(name, json.dumps(manifest).encode())
    store.remove_unused(before)
    yield {"status": "success"}


def _from_model(store: Store, text: str) -> _Steps:
    """Layers and configuration of a model; it is pulled when it is not there."""
    try:
        name = ModelName.parse(text)
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    try:
        manifest = store.manifest(name)
    except FileNotFoundError:
        yield from pull(store, name, insecure=False)
        manifest = store.manifest(name)
    config = json.loads(store.blob_path(manifest.config["digest"]).read_text())
    for layer in manifest.layers:
        yield {"status": f"using existing layer {layer['digest']}"}
    return list(manifest.layers), config


def _from_files(store: Store, files: dict[str, str]) -> _Steps:
    """Layers of GGUF files, and the configuration that the first of them makes."""
    layers: list[Layer] = []
    config: JsonObject = {"model_format": "gguf", "architecture": "amd64", "os": "linux"}
    families: list[str] = []
    for digest in files.values():
        yield {"status": "parsing GGUF"}
        try:
            path = store.blob_path(digest)
            metadata = read_metadata(path)
        except (OSError, ValueError) as error:
            raise ApiError(400, str(error)) from None
        families.append(metadata.get("general.architecture", ""))
        if not layers:
            config["model_family"] = families[0]
            config["model_type"] = human_number(metadata["general.parameter_count"])
            config["file_type"] = _FILE_TYPES.get(metadata.get("general.file_type", -1), "unknown")
        media_type = f"{LAYER_TYPE}{_kind(metadata)}"
        layers.append({"mediaType": media_type, "digest": digest, "size": path.stat().st_size})
        yield {"status": f"using existing layer {digest}"}
    return layers, {**config, "model_families": families}


def _kind(metadata: JsonObject) -> str:
    """What a GGUF file is to a model: the model itself, an adapter or a projector."""
    kind = metadata.get("general.type")
    return kind if kind in ("adapter", "projector") else "model"


def _overlay(
    store: Store, layers: list[Layer], body: JsonObject
) -> Generator[JsonObject, None, list[Layer]]:
    """Replace the layers that the request gives anew."""
    licenses = body.get("license") or []
    new = [("license", text) for text in ([licenses] if isinstance(licenses, str) else licenses)]
    new += [(kind, body[kind]) for kind in ("template", "system") if body.get(kind)]
    if body.get("messages"):
        new.append(("messages", json.dumps(body["messages"])))
    if body.get("parameters"):
        parameters = {**_parameters(store, layers), **body["parameters"]}
        new.append(("params", json.dumps(parameters)))
    for kind, text in new:
        media_type = f"{LAYER_TYPE}{kind}"
        if kind != "license":
            layers = [layer for layer in layers if layer["mediaType"] != media_type]
        layer, created = store.add([text.encode()], media_type)
        layers.append(layer)
        yield {
            "status": f"{'creating new' if created else 'using existing'} layer {layer['digest']}"
        }
    return layers


def _parameters(store: Store, layers: list[Layer]) -> JsonObject:
    for layer in layers:
        if layer["mediaType"] == f"{LAYER_TYPE}params":
            parameters: JsonObject = json.loads(store.blob_path(layer["digest"]).read_text())
            return parameters
    return {}


def human_number(number: int) -> str:
    """A count of weights as Ollama writes it: ``123``, ``45K``, ``1.24M``, ``8.0B``."""
    if number >= 1e9:
        return f"{number / 1e9:.1f}B".replace(".0B", "B")
    if number >= 1e6:
        return f"{number / 1e6:.2f}M".replace(".00M", "M")
    return f"{number / 1e3:.0f}K" if number >= 1e3 else str(number)
