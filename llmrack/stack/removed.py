"""Keys and settings that there once were, and what became of them: better than a guess."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmrack.problems import nearest

# By the last two parts of the path in stack.yaml, or by the name of the setting: cause and way out.
REMOVED = {
    "parameters.typical_p": (
        "was removed, because Ollama makes no new models with it (ollama/ollama#18448)",
        "leave it out; min_p and top_p also keep unlikely words away",
    ),
}


def unknown(path: Sequence[str], kind: str, valid: Iterable[str]) -> tuple[str, str]:
    """Cause and way out for a name that nothing knows.

    + path: the keys that lead to it, itself the last one
    + kind: key or setting
    + valid: the names that it may have meant
    """
    removed = REMOVED.get(".".join(path[-2:]))
    return removed or (f"is no known {kind}", nearest(path[-1], valid))
