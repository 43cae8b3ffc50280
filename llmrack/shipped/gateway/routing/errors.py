"""Makes LiteLLM's exceptions for failures that it does not detect, with their class for the log."""

from __future__ import annotations

import math

import anyio

from ..litellm_parts import InternalServerError, Timeout
from .health import Deployment


def is_lost(scope: anyio.CancelScope) -> bool:
    """Whether an attempt ended because its instance is lost (see Instance.lost)."""
    return scope.deadline == -math.inf


def silent(deployment: Deployment, scope: anyio.CancelScope, seconds: float) -> Timeout:
    """Nothing has come for ``seconds``, or the instance is lost."""
    lost = is_lost(scope)
    error = late(deployment, "is lost" if lost else f"said nothing for {seconds:g} s")
    error.failure = "connection" if lost else "timeout"
    return error


def late(deployment: Deployment, deed: str) -> Timeout:
    """A deadline is over.

    + deed: the end of a sentence that begins with the instance's name
    """
    message = f"{deployment.instance.name} {deed}"
    return Timeout(message=message, model=deployment.upstream, llm_provider="")


def broken(deployment: Deployment, error: Exception | None = None) -> InternalServerError:
    """An answer that ended before its end."""
    message = f"{deployment.instance.name} broke off before its answer was whole"
    if str(error or ""):
        message += f" ({error})"
    failure = InternalServerError(message=message, model=deployment.upstream, llm_provider="")
    failure.failure = "broken off"
    return failure


def stamped(error: Exception, deployment: Deployment) -> Exception:
    """Add the mark for LiteLLM to ask a name's other deployments; LiteLLM marks chats only."""
    error.failed_deployment_id = deployment.id  # type: ignore[attr-defined]
    return error
