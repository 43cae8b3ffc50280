"""The proofs of the engines: the one place that lists them."""

from __future__ import annotations

import httpx

from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance
from llmrack.stack.schema import Stack
from llmrack.verify.engine import EngineProof
from llmrack.verify.ollama.proof import OllamaProof

PROOFS: dict[str, type[EngineProof]] = {"ollama": OllamaProof}


def proof_of(client: httpx.Client, stack: Stack, host: Host, instance: Instance) -> EngineProof:
    """The proof of an instance, by its engine.

    + client: with the instance's address as ``base_url``
    """
    return PROOFS[instance.engine](client, stack, host, instance)
