"""Keys and settings that were removed, with the reason and the way out."""

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
    """Cause and way out for an unknown name.

    + path: the keys that lead to it; the last one is the name itself
    + kind: ``key`` or ``setting``
    + valid: the names that are known
    """
    removed = REMOVED.get(".".join(path[-2:]))
    return removed or (f"is no known {kind}", nearest(path[-1], valid))
