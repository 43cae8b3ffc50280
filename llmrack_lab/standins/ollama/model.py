"""A model as its layers describe it: configuration, template, parameters, capabilities."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .gguf import read_metadata
from .store import LAYER_TYPE, Manifest, Store
from .thinking import FAMILIES_WITH_LEVELS
from .types import JsonObject, JsonValue

# Words that a template uses when the model can do more than complete (Ollama's server/images.go).
_TOOLS_WORD = re.compile(r"\.Tools\b")
_SUFFIX_WORD = re.compile(r"\.Suffix\b")
# Tags around an earlier answer's thinking (thinking/template.go).
_THINKING_TAGS = re.compile(r"\S\{\{-?\s*\.Thinking\s*-?\}\}\S")
_DEFAULT_TEMPLATE = "{{ .Prompt }}"
_LENGTHS = ("context_length", "embedding_length")


@dataclass(frozen=True)
class Model:
    """One model of a store, read completely."""

    manifest: Manifest
    config: JsonObject
    gguf: Path | None
    adapters: list[Path]
    template: str
    system: str
    licenses: list[str]
    parameters: JsonObject
    messages: list[JsonObject]
    projector: bool

    @classmethod
    def read(cls, store: Store, manifest: Manifest) -> Model:
        """Read the layers of a manifest.

        Raises:
            FileNotFoundError: a blob is missing.
        """
        paths: dict[str, list[Path]] = {}
        for layer in manifest.layers:
            kind = str(layer["mediaType"]).removeprefix(LAYER_TYPE)
            paths.setdefault(kind, []).append(store.blob_path(layer["digest"]))

        def text(kind: str, default: str) -> str:
            return paths[kind][-1].read_text(encoding="utf-8") if kind in paths else default

        return cls(
            manifest=manifest,
            config=json.loads(
                store.blob_path(manifest.config["digest"]).read_text(encoding="utf-8")
            ),
            gguf=paths["model"][-1] if "model" in paths else None,
            adapters=paths.get("adapter", []),
            template=text("template", _DEFAULT_TEMPLATE),
            system=text("system", ""),
            licenses=[path.read_text(encoding="utf-8") for path in paths.get("license", [])],
            parameters=json.loads(text("params", "{}")),
            messages=json.loads(text("messages", "[]")),
            projector="projector" in paths,
        )

    @property
    def metadata(self) -> JsonObject:
        """Keys and values of the GGUF file."""
        return read_metadata(self.gguf) if self.gguf else {}

    def architecture_value(self, key: str) -> JsonValue:
        """The value of ``<architecture>.<key>``, or None."""
        metadata = self.metadata
        return metadata.get(f"{metadata.get('general.architecture')}.{key}")

    @property
    def family(self) -> str:
        """The family that the configuration names."""
        return str(self.config.get("model_family", ""))

    @property
    def begins_prompts(self) -> bool:
        """Whether the tokenizer puts a token before each prompt."""
        return bool(self.metadata.get("tokenizer.ggml.add_bos_token"))

    @property
    def capabilities(self) -> list[str]:
        """What the model can do, in Ollama's order and words."""
        embedding = self.architecture_value("pooling_type") is not None
        abilities = {
            "embedding": embedding,
            "completion": not embedding,
            "vision": self.projector or self.architecture_value("vision.block_count") is not None,
            "tools": _TOOLS_WORD.search(self.template),
            "insert": _SUFFIX_WORD.search(self.template),
            "thinking": _THINKING_TAGS.search(self.template) or self.family in FAMILIES_WITH_LEVELS,
        }
        return [name for name, present in abilities.items() if present]

    @property
    def details(self) -> JsonObject:
        """The ``details`` of ``/api/ps`` and ``/api/show``."""
        return {
            "parent_model": "",
            "format": self.config.get("model_format", ""),
            "family": self.family,
            "families": self.config.get("model_families"),
            "parameter_size": self.config.get("model_type", ""),
            "quantization_level": self.config.get("file_type", ""),
        }

    @property
    def _listed_details(self) -> JsonObject:
        """The ``details`` of ``/api/tags``."""
        lengths = {key: self.architecture_value(key) for key in _LENGTHS}
        return {**self.details, **{key: value for key, value in lengths.items() if value}}

    @property
    def modified_at(self) -> str:
        """When the model was last written, RFC 3339."""
        return timestamp(self.manifest.modified)

    def listing(self) -> JsonObject:
        """The entry of ``/api/tags``."""
        name = self.manifest.name.short
        return {
            "name": name,
            "model": name,
            "modified_at": self.modified_at,
            "size": self.manifest.size,
            "digest": self.manifest.digest,
            "details": self._listed_details,
            "capabilities": self.capabilities,
        }

    def show(self, system: str) -> JsonObject:
        """The answer of ``/api/show``; ``system`` replaces the system prompt when it is given."""
        metadata = {
            key: value
            for key, value in self.metadata.items()
            if key not in ("general.name", "tokenizer.chat_template")
        }
        answer = {
            "license": "\n".join(self.licenses),
            "modelfile": self.modelfile(system or self.system),
            "parameters": "\n".join(
                f"{key:<30} {json.dumps(value)}" for key, value in self._parameter_lines()
            ),
            "template": self.template,
            "system": system or self.system,
            "messages": self.messages,
        }
        return {
            **{key: value for key, value in answer.items() if value},
            "details": self.details,
            "model_info": metadata,
            "capabilities": self.capabilities,
            "modified_at": self.modified_at,
        }

    def modelfile(self, system: str) -> str:
        """A Modelfile that would create this model."""
        lines = [
            '# Modelfile generated by "ollama show"',
            "# To build a new Modelfile based on this, replace FROM with:",
            f"# FROM {self.manifest.name.short}",
            "",
            f"FROM {self.gguf}",
            *(f"ADAPTER {path}" for path in self.adapters),
            f"TEMPLATE {_quoted(self.template)}",
        ]
        if system:
            lines.append(f"SYSTEM {_quoted(system)}")
        lines += [f"PARAMETER {key} {_quoted(str(v))}" for key, v in self._parameter_lines()]
        lines += [f"LICENSE {_quoted(text)}" for text in self.licenses]
        lines += [f"MESSAGE {m['role']} {_quoted(m['content'])}" for m in self.messages]
        return "\n".join(lines) + "\n"

    def _parameter_lines(self) -> list[tuple[str, JsonValue]]:
        return [
            (key, item)
            for key, value in self.parameters.items()
            for item in (value if isinstance(value, list) else [value])
        ]


def _quoted(text: str) -> str:
    if "\n" not in text and text == text.strip():
        return text
    return f'"""{text}"""' if '"' in text else f'"{text}"'


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, as Go writes a time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
