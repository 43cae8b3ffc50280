"""Reads a server's description of a model, or its entry in the server's list."""

from __future__ import annotations

import re

from llmrack.verify.exchange import dig

# The words of Ollama's /api/show for what a model can do (ollama/ollama types/model/capability.go).
CAPABILITIES = {
    "chat": "completion",
    "embedding": "embedding",
    "vision": "vision",
    "tools": "tools",
    "thinking": "thinking",
}


def context_length_of(description: object) -> int | None:
    """Tokens: vLLM's max_model_len, or Ollama's ARCHITECTURE.context_length; None without."""
    info = dig(description, "model_info")
    lengths = [dig(description, "max_model_len")]
    lengths += [
        value
        for key, value in (info.items() if isinstance(info, dict) else ())
        if re.fullmatch(r"[^.]+\.context_length", str(key))
    ]
    return next((length for length in lengths if isinstance(length, int)), None)


def capabilities_of(description: object) -> tuple[str, ...] | None:
    """The capabilities in Ollama's /api/show, in the stack's words; None if it has none."""
    named = dig(description, "capabilities")
    if not isinstance(named, list):
        return None
    return tuple(capability for capability, word in CAPABILITIES.items() if word in named) or None
