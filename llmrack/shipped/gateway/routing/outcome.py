"""Draws the conclusion from an attempt: the instance is well, or is put aside until a proof."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio

from ..litellm_parts import Timeout
from .blame import blame, retry_after, status, why
from .clients import sending
from .errors import is_lost, silent, stamped
from .health import Deployment, Rest
from .proof import PROOFS
from .refusal import refused
from .trail import Trail


class Outcomes:
    """The outcomes of every attempt.

    + cooldown: seconds that a deployment rests after a failure without a Retry-After
    + prove: sends a short request to a deployment; raises if it fails
    """

    def __init__(self, cooldown: float, prove: Callable[[Deployment], Awaitable[None]]) -> None:
        self._cooldown = cooldown
        self._prove = prove

    @asynccontextmanager
    async def attempt(
        self, deployment: Deployment, seconds: float, declared: float, trail: Trail
    ) -> AsyncIterator[list[Rest]]:
        """Count an attempt, end it at its deadline or when the instance is lost, note its failure.

        + seconds: its deadline
        + declared: the deadline without the client's own

        Yields the rests that it tries to end.
        """
        instance, model, began = deployment.instance, deployment.model, time.monotonic()
        rests = instance.tried(deployment.upstream, math.inf)
        sent: list[bool] = []
        sending.set(sent)
        # If a client waits less long than declared, its time-out is no failure of the instance.
        patient = seconds >= declared
        instance.used = began
        model.running += 1
        try:
            with anyio.fail_after(seconds) as scope:
                instance.waiting.add(scope)
                try:
                    yield rests
                finally:
                    instance.waiting.discard(scope)
        except TimeoutError:
            error = silent(deployment, scope, seconds)
            if patient or is_lost(scope):
                self.failed(deployment, error)
            trail.fail(deployment, error, began)
            raise stamped(error, deployment) from None
        except Exception as error:
            if blame(error, deployment.rules.engine, bool(sent)) is None:
                raise refused(deployment, error, trail, began) from error
            # Noted before the router asks another deployment.
            if patient or not isinstance(error, Timeout):
                self.failed(deployment, error)
            trail.fail(deployment, error, began)
            stamped(error, deployment)
            raise
        finally:
            model.running -= 1
            instance.used = time.monotonic()
            for rest in rests:
                rest.trying = 0.0

    def well(self, deployment: Deployment, began: float | None, tokens: int) -> None:
        """Note an answer.

        + began: monotonic time of the attempt; None: its pace is not measured
        + tokens: of the answer
        """
        deployment.instance.well(deployment.upstream)
        if began is not None:
            deployment.model.measure(time.monotonic() - began, tokens)

    def failed(self, deployment: Deployment, error: Exception) -> None:
        """Put aside the instance, its model or nothing, by the cause of ``error``."""
        instance, upstream = deployment.instance, deployment.upstream
        who, wildcard = blame(error, deployment.rules.engine, True), upstream.endswith("*")
        if who is None or (wildcard and status(error) == 404):
            return
        proof = None
        if instance.watched and deployment.params and not wildcard and deployment.kind in PROOFS:
            proof = partial(self._prove, deployment)
        at_once = proof and status(error) != 429
        seconds = retry_after(error) or (0.0 if at_once else self._cooldown)
        rest = Rest(time.monotonic() + seconds, why(error), proof)
        if who == "instance":
            instance.put_aside(rest, instance.name)
        else:
            deployment.model.put_aside(rest, f"{instance.name}/{upstream}")


def measured_from(kwargs: dict[str, Any]) -> float | None:
    """The monotonic time; None for the gateway's own request, which may have a model loaded."""
    return None if kwargs.get("no-log") else time.monotonic()
