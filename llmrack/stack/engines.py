"""The instances that run models on a host, as providers declare them."""

from __future__ import annotations

from llmrack.stack.fleet import Host
from llmrack.stack.instances import Instance
from llmrack.stack.schema import Stack


def is_engine(stack: Stack, host: Host) -> bool:
    """Whether some provider of ``stack`` runs models on ``host``."""
    return any(provider.runs_on in host.groups for provider in stack.providers.values())


def instances(stack: Stack, host: Host) -> tuple[Instance, ...]:
    """The instances of ``host``; providers of one engine share them."""
    declared = (
        instance for provider in stack.providers.values() for instance in provider.instances(host)
    )
    return tuple(dict.fromkeys(declared))
