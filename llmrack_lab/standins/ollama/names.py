"""Model names: ``[host/[namespace/]]model[:tag]`` (Ollama's ``types/model/name.go``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

DEFAULT_HOST = "registry.ollama.ai"
DEFAULT_NAMESPACE = "library"
DEFAULT_TAG = "latest"

_HOST = re.compile(r"\w[\w.:-]{0,349}", re.ASCII)
_NAMESPACE = re.compile(r"\w[\w-]{0,79}", re.ASCII)
_PART = re.compile(r"\w[\w.-]{0,79}", re.ASCII)


@dataclass(frozen=True)
class ModelName:
    """A model's full name; each part has its default filled in."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """Split a name.

        Raises:
            ValueError: a part is missing or has letters that it must not have.
        """
        path, colon, tag = text.rpartition(":")
        if not colon or "/" in tag:
            path, tag = text, DEFAULT_TAG
        *before, model = path.split("/") if "://" not in path else path.split("://")[1].split("/")
        if len(before) > 2:
            raise ValueError("invalid model name")
        namespace = before[-1] if before else DEFAULT_NAMESPACE
        host = before[0] if len(before) == 2 else DEFAULT_HOST
        name = cls(host, namespace, model, tag)
        name._check()
        return name

    @classmethod
    def from_path(cls, path: PurePosixPath) -> ModelName:
        """The name of a manifest at ``host/namespace/model/tag``.

        Raises:
            ValueError: the path does not name a model.
        """
        if len(path.parts) != 4:
            raise ValueError("invalid model name")
        name = cls(*path.parts)
        name._check()
        return name

    def _check(self) -> None:
        patterns = (_HOST, _NAMESPACE, _PART, _PART)
        parts = (self.host, self.namespace, self.model, self.tag)
        for pattern, part in zip(patterns, parts, strict=True):
            if not pattern.fullmatch(part):
                raise ValueError("invalid model name")

    @property
    def path(self) -> PurePosixPath:
        """Where the manifest lies below ``manifests/``."""
        return PurePosixPath(self.host, self.namespace, self.model, self.tag)

    @property
    def full(self) -> str:
        """All four parts, as in ``registry.ollama.ai/library/llama3.2:latest``."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def short(self) -> str:
        """The name as ``/api/tags`` shows it: without default host and namespace, with the tag."""
        if self.host != DEFAULT_HOST:
            return self.full
        if self.namespace != DEFAULT_NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"
