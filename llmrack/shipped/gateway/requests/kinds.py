"""The kind of answer that each path asks for, and the models that give it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .names import Names

# The kind of answer by the end of the path; LiteLLM itself handles moderations.
OF_PATHS = {
    "chat/completions": "chat",
    "completions": "chat",
    "responses": "chat",
    "messages": "chat",
    "messages/count_tokens": "chat",
    "embeddings": "embedding",
    "rerank": "rerank",
    "audio/transcriptions": "transcription",
    "audio/translations": "transcription",
    "audio/speech": "speech",
    "images/generations": "image",
    "images/edits": "image",
}


class Kinds:
    """The kind of each public name.

    + groups, aliases: of routing.json
    """

    def __init__(self, groups: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
        self._of = {name: str(group["kind"]) for name, group in groups.items()}
        self._names = Names(groups, aliases)

    def mistake(self, path: str, model: object, allowed: Iterable[str] | None) -> str | None:
        """Why a model cannot answer at a path; None if it can, or if its kind is not known.

        + allowed: names of models that the client may ask; None: all
        """
        wanted = next((kind for end, kind in OF_PATHS.items() if path.endswith(f"/{end}")), None)
        kind = self._of.get(self._names.meant(model)) if isinstance(model, str) else None
        if kind is None or wanted is None or kind == wanted:
            return None
        may = list(self._of if allowed is None else (n for n in allowed if n in self._of))
        others = [name for name in may if self._of[name] == wanted]
        way_out = f"ask one that is: {', '.join(others)}" if others else "no model here is"
        return f"{model} is for {kind}, not for {wanted}; {way_out}"
