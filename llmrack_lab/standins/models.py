"""The lab's models: real tiny GGUF files under the names that the scenarios use.

They are kept in a models directory as Ollama lays it out, which :mod:`.registry` serves.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .ollama.create import human_number
from .ollama.gguf import read_metadata
from .ollama.names import ModelName
from .ollama.store import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Layer, Store
from .ollama.thinking import FAMILIES_WITH_LEVELS
from .speech import CHATS, SPEAKS_HARMONY, THINKS, USES_TOOLS, Speech
from .weights import write_bert, write_clip, write_llama

_LICENSE = "Made by llmrack for its lab. Do with it what you like.\n"
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class LabModel:
    """One model of the lab.

    Attributes:
        names: ``name:tag`` of it; several names share one manifest.
        capabilities: in Ollama's words.
        context_length: tokens.
        dimension: length of its embeddings; 0 for a model that chats.
        padding: bytes added to its file, so that a pull has a size that can be seen.
        family: that it claims; empty for that of its file.
    """

    names: tuple[str, ...]
    capabilities: tuple[str, ...]
    context_length: int
    dimension: int = 0
    padding: int = 0
    family: str = ""

    @property
    def speech(self) -> Speech:
        """What it says where a real Ollama runs it."""
        if self.family in FAMILIES_WITH_LEVELS:
            return SPEAKS_HARMONY
        if "thinking" in self.capabilities:
            return THINKS
        return USES_TOOLS if "tools" in self.capabilities else CHATS


CATALOGUE = (
    LabModel(("llama3.1:latest", "llama3.1:8b"), ("completion", "tools"), 131072),
    LabModel(("qwen2.5-coder:7b",), ("completion", "tools"), 32768, padding=8 * _MEGABYTE),
    LabModel(("qwen2.5-coder:0.5b",), ("completion", "tools"), 32768),
    LabModel(("llama3.2:latest",), ("completion", "tools"), 131072),
    LabModel(("llama3.2:1b",), ("completion", "tools"), 131072),
    LabModel(("qwen3:latest",), ("completion", "tools", "thinking"), 40960, family="qwen3"),
    # Its family thinks at a level, and always.
    LabModel(("gpt-oss:20b",), ("completion", "tools", "thinking"), 131072, family="gptoss"),
    LabModel(("llava:latest",), ("completion", "vision"), 32768),
    LabModel(("gemma3:latest",), ("completion", "vision"), 131072),
    LabModel(("gemma3:27b",), ("completion", "vision"), 131072),
    LabModel(("nomic-embed-text:latest",), ("embedding",), 2048, dimension=768),
    LabModel(("all-minilm:latest",), ("embedding",), 512, dimension=384),
)
"""Every model that the lab's registry has."""


def build_models(directory: Path) -> Path:
    """Build the catalogue into a models directory, unless it is there already.

    Args:
        directory: created when missing.

    Returns:
        the directory.
    """
    done, edition = directory / "edition", _edition()
    if not done.exists() or done.read_text() != edition:
        # Files appear whole: meanwhile a registry may serve them and another lab build them.
        store = Store(directory)
        for model in CATALOGUE:
            _build(store, model)
        done.write_text(edition)
    return directory


def _edition() -> str:
    """What the files are built from; a directory built from something else is built anew."""
    sources = [Path(__file__).with_name(f"{name}.py") for name in ("models", "speech", "weights")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _build(store: Store, model: LabModel) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.gguf"
        if model.dimension:
            write_bert(path, model.names[0], model.context_length, model.dimension)
        else:
            write_llama(path, model.names[0], model.context_length, model.speech)
        metadata = read_metadata(path)
        layers = [store.add(_padded(path, model.padding), f"{LAYER_TYPE}model")[0]]
        if "vision" in model.capabilities:
            projector = Path(temporary) / "projector.gguf"
            write_clip(projector)
            layers.append(store.add([projector.read_bytes()], f"{LAYER_TYPE}projector")[0])
    layers += _texts(store, model)
    family = model.family or metadata["general.architecture"]
    config = {
        "model_format": "gguf",
        "model_family": family,
        "model_families": [family, *(["clip"] if "vision" in model.capabilities else [])],
        "model_type": human_number(metadata["general.parameter_count"]),
        "file_type": "F16" if model.dimension else "F32",
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    config_layer, _ = store.add([json.dumps(config).encode()], CONFIG_TYPE)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config_layer,
        "layers": layers,
    }
    for name in model.names:
        store.write_manifest(ModelName.parse(name), json.dumps(manifest).encode())


def _texts(store: Store, model: LabModel) -> Iterator[Layer]:
    texts = {"license": _LICENSE}
    if not model.dimension:
        texts["template"] = model.speech.template
        texts["params"] = json.dumps({"stop": ["user:", "system:"]})
    for kind, text in texts.items():
        yield store.add([text.encode()], f"{LAYER_TYPE}{kind}")[0]


def _padded(path: Path, padding: int) -> Iterator[bytes]:
    """A file's content and zeros behind it; readers of GGUF ignore what follows the tensors."""
    yield path.read_bytes()
    yield bytes(padding)
