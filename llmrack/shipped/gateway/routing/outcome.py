"""What an attempt's outcome says of an instance: it is well, or put aside until it is proven."""

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
    """Those of every attempt.

    + cooldown: seconds that one rests whose failure does not say for how long
    + prove: sends a short request to a deployment; raises where it fails
    """

    def __init__(self, cooldown: float, prove: Callable[[Deployment], Awaitable[None]]) -> None:
        self._cooldown = cooldown
        self._prove = prove

    @asynccontextmanager
    async def attempt(
        self, deployment: Deployment, seconds: float, declared: float, trail: Trail
    ) -> AsyncIterator[list[Rest]]:
        """Count it as running, end it in time or when the instance is lost, note its failure.

        + seconds: its deadline
        + declared: the deadline where the client asks for no other one

        Gives what it tries whether it is well again.
        """
        instance, model, began = deployment.instance, deployment.model, time.monotonic()
        rests = instance.tried(deployment.upstream, math.inf)
        sent: list[bool] = []
        sending.set(sent)
        # A client that waits for less than is declared says nothing of the instance.
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
            # Noted before the router asks somebody else.
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
        """It has answered in ``tokens``, from ``began`` on (monotonic time; None: not measured)."""
        deployment.instance.well(deployment.upstream)
        if began is not None:
            deployment.model.measure(time.monotonic() - began, tokens)

    def failed(self, deployment: Deployment, error: Exception) -> None:
        """Put aside who is to blame for ``error``: the instance, the model there, or nobody."""
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
    """The monotonic time; None where the pace is not measured: one may wait for a model to load."""
    return None if kwargs.get("no-log") else time.monotonic()
