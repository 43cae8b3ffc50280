"""Which secrets a stack needs."""

from __future__ import annotations

from llmrack.secrets.places import MASTER_KEY
from llmrack.stack.litellm import secrets_of
from llmrack.stack.schema import Stack

OLLAMA_KEY = "OLLAMA_API_KEY"


def secret_names(stack: Stack) -> list[str]:
    """The secrets a gateway's environment holds where they are set, sorted."""
    keys = {
        secret
        for provider in stack.providers.values()
        if provider.enabled
        for secret in provider.secrets
    }
    # The gateway carries Ollama's key whenever there is one: tools of the service user expect it.
    return sorted({MASTER_KEY, OLLAMA_KEY, *keys, *secrets_of(stack.litellm)})
