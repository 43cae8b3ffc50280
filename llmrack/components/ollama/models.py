"""Models of a host's Ollama: pulled, made, removed.

The look reads their manifests on disk, as the server does on each request. Changes go through the
one instance that writes. Names carry their tag.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from shlex import quote
from typing import ClassVar

from llmrack.components.engine import ModelSeen
from llmrack.components.ollama.models_seen import models_part, seen_models
from llmrack.resources.change import Build, Change, Pull, Shell
from llmrack.resources.files import owned
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file

GB = 1e9
COMPARED = "Models before and after the restart"


@dataclass(frozen=True)
class OllamaModel:
    """A model that is pulled.

    + folder: the models directory
    + url: the instance that writes there, as its own host reaches it
    + stall: seconds a pull may go without progress
    """

    model: str
    folder: str
    url: str
    stall: float
    user: str

    @property
    def name(self) -> str:
        """As in ``OllamaModel llama3.1:8b``."""
        return f"OllamaModel {self.model}"

    def look(self, look: Look) -> None:
        """The models directory."""
        look.ask(models_part(self.folder))

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Pull it if it is missing or damaged."""
        present = seen_models(seen).get(self.model)
        manifest = manifest_path(self.model)
        pull = Pull(self.model, self.url, self.stall, manifest, manifest_url(self.model))
        if present is None:
            return Change(self.name, "missing", (pull,))
        if not present.damaged:
            return None
        remove = _remove_damaged(present, self.folder, self.user)
        return Change(self.name, _damage(present), (remove, pull))


@dataclass(frozen=True)
class CreatedModel:
    """A model that is made from another one or from local files, or a copy of another one.

    A note on the host has the digests of the recipe, of its own manifest and of its source's
    manifest. So an unchanged declaration costs nothing, and a changed one is seen.

    + source: the model it is made from, or empty
    + is_copy: whether it is the same model under another name
    + recipe: digest of the declaration
    + request: the JSON body of ``POST /api/create``, without model and source
    + weights: SHA-256 of the GGUF file it is made from, or empty
    + files: local files it needs: path and SHA-256
    + note: absolute path of the note
    + stall: seconds that making it may go without progress
    """

    model: str
    folder: str
    url: str
    source: str
    is_copy: bool
    recipe: str
    request: str
    weights: str
    files: tuple[tuple[str, str], ...]
    note: str
    user: str
    stall: float

    @property
    def name(self) -> str:
        """As in ``CreatedModel coding-assistant:latest``."""
        return f"CreatedModel {self.model}"

    def look(self, look: Look) -> None:
        """The models directory, and the note."""
        look.ask(models_part(self.folder))
        look.notes.add(self.note)

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Make it again if it, its declaration or its source differs from the note."""
        why = self._why(seen, changed)
        if not why:
            return None
        body = json.loads(self.request) | {"model": self.model}
        if self.source:
            body["from"] = self.source
        if self.weights:
            body["files"] = {"model.gguf": f"sha256:{self.weights}"}
        if self.is_copy:
            body = {"source": self.source, "destination": self.model}
        path = "/api/copy" if self.is_copy else "/api/create"
        request = json.dumps(body, sort_keys=True)
        build = Build(self.model, self.url, path, request, self.files, self.stall)
        present = seen_models(seen).get(self.model)
        remove = (
            [_remove_damaged(present, self.folder, self.user)]
            if present and present.damaged
            else []
        )
        return Change(self.name, why, (*remove, build, Shell(self._write_note())))

    def _why(self, seen: Seen, changed: Collection[str]) -> str:
        present = seen_models(seen).get(self.model)
        if present is None:
            return "missing"
        if present.damaged:
            return _damage(present)
        recipe, made_as, source = [*seen.notes.get(self.note, "").split(), "", "", ""][:3]
        if recipe != self.recipe:
            return "declared differently" if recipe else "not made from the declaration"
        if made_as != present.digest:
            return "changed on the host"
        if not self.source:
            return ""
        base = seen_models(seen).get(self.source)
        made_anew = {f"OllamaModel {self.source}", f"CreatedModel {self.source}"} & set(changed)
        if made_anew or base is None or base.digest != source:
            return f"{self.source} is another one now"
        return ""

    def _write_note(self) -> str:
        models = [self.model, self.source] if self.source else [self.model]
        manifests = [f"{self.folder}/manifests/{manifest_path(model)}" for model in models]
        script = script_file("ollama/note-model.sh", self.note, self.recipe, *manifests)
        return owned(self.user, script)


def _damage(model: ModelSeen) -> str:
    digests = ", ".join(digest[:12] for digest, _ in model.damaged)
    return f"blobs are missing or of another size: {digests}"


def _remove_damaged(model: ModelSeen, folder: str, user: str) -> Shell:
    words: list[str | int] = []
    for digest, size in model.damaged:
        words += [f"{folder}/blobs/sha256-{digest}", size]
    return Shell(owned(user, script_file("ollama/remove-damaged.sh", *words)))


@dataclass(frozen=True)
class DeclaredModelsOnly:
    """Every model that is not in ``keep`` is removed."""

    name: ClassVar[str] = "Models that nobody declares"
    keep: frozenset[str]
    folder: str
    url: str

    def look(self, look: Look) -> None:
        """The models directory."""
        look.ask(models_part(self.folder))

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Ask the server to delete them; it keeps the blobs that other models share."""
        gone = sorted(name for name in seen_models(seen) if name not in self.keep)
        if not gone:
            return None
        names = [f"{name} ({seen_models(seen)[name].size / GB:,.1f} GB)" for name in gone]
        delete = [
            f"curl -fsS --noproxy '*' --max-time 60 -X DELETE {self.url}/api/delete "
            f"-H 'Content-Type: application/json' -d {quote(json.dumps({'model': name}))}"
            for name in gone
        ]
        return Change(
            self.name, f"to be removed: {', '.join(names)}", (Shell(" && ".join(delete)),)
        )


@dataclass(frozen=True)
class ModelsKept:
    """After a restart (an upgrade above all) the server still has the models it had before.

    Models were lost by upgrades (ollama/ollama#18595, #17661).

    + unit: name of the resource that restarts the writing instance
    """

    name: ClassVar[str] = COMPARED
    unit: str
    folder: str
    url: str

    def look(self, look: Look) -> None:
        """The models directory."""
        look.ask(models_part(self.folder))

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Compare the models of the look with those that the new server lists."""
        if self.unit not in changed or not seen_models(seen):
            return None
        names = sorted(seen_models(seen))
        script = script_file("ollama/compare-models.sh", self.url, self.folder, *names)
        return Change(self.name, f"{len(seen_models(seen))} to compare", (Shell(script),))


def manifest_path(model: str) -> str:
    """Where a model's manifest lies below ``manifests/``; see ``models_seen.model_name``."""
    if not model:
        return ""
    name, _, tag = model.rpartition(":")
    parts = name.split("/")
    host = parts.pop(0) if len(parts) > 2 else "registry.ollama.ai"
    namespace = parts.pop(0) if len(parts) > 1 else "library"
    return "/".join([host, namespace, *parts, tag])


def manifest_url(model: str) -> str:
    """Where the registry has the manifest of ``model``, which names its layers' sizes."""
    name, _, tag = model.rpartition(":") if ":" in model else (model, ":", "latest")
    path = name if "/" in name else f"library/{name}"
    return f"https://registry.ollama.ai/v2/{path}/manifests/{tag}"


def note_name(model: str) -> str:
    """The file name of a model's note."""
    safe = "".join(char if char.isalnum() or char in "._-" else "-" for char in model)
    return f"{safe}.{hashlib.sha256(model.encode()).hexdigest()[:8]}"
