"""Streamed chats, with deadlines for the first token and for the gaps between tokens.

LiteLLM treats a stream that breaks off as a complete answer (seen with 1.106.12).
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio

from ..litellm_parts import MidStreamFallbackError, stream_chunk_builder
from .cached import is_cached
from .chunks import Repeats, finish_reason, says, text
from .errors import broken, late, silent
from .health import Deployment, Rest
from .outcome import Outcomes, measured_from
from .trail import Trail, trails


@dataclass
class _Begun:
    """A stream whose first token has come.

    + began: monotonic time of the attempt; None: its pace is not measured
    + trail: the record of the request
    + rests: the rests that the answer ends
    + held: chunks that were read already; source: the following ones
    + cached: whether it comes from LiteLLM's cache
    """

    deployment: Deployment
    began: float | None
    trail: Trail
    rests: list[Rest]
    held: list[Any]
    source: AsyncIterator[Any]
    cached: bool


class Streams:
    """The streamed chats of this gateway.

    + chat: LiteLLM's own function
    + cooldown: seconds at most for which a stream that has begun keeps others from trying
    """

    def __init__(
        self, chat: Callable[..., Awaitable[Any]], outcomes: Outcomes, cooldown: float
    ) -> None:
        self._chat = chat
        self._outcomes = outcomes
        self._cooldown = cooldown

    async def put_together(
        self, deployment: Deployment, kwargs: dict[str, Any], whole: float
    ) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """A plain answer that is read as a stream, so that the first token has a deadline."""
        logged, began = kwargs.get("litellm_logging_obj"), time.monotonic()
        asked = kwargs | {"stream": True, "stream_options": {"include_usage": True}}
        try:
            # The attempt has the deadline of the first token; this one is for the whole answer.
            with anyio.fail_after(whole):
                response = await self.begin(deployment, asked, whole)
                chunks = [chunk async for chunk in response]
        except TimeoutError:
            error = late(deployment, f"gave no whole answer within {whole:g} s")
            # If a client waits less long than declared, its time-out is no failure of the instance.
            if whole >= deployment.timeout:
                self._outcomes.failed(deployment, error)
            trails.of(kwargs).fail(deployment, error, began)
            raise error from None
        except MidStreamFallbackError as error:
            # No token has reached the client, so another instance can answer.
            raise error.original_exception or error from None
        finally:
            if logged is not None:
                logged.stream = False
        built = stream_chunk_builder(chunks, messages=kwargs.get("messages"))
        if built is None:
            raise broken(deployment)
        built._hidden_params = {**built._hidden_params, **response._hidden_params}
        return built

    async def begin(self, deployment: Deployment, kwargs: dict[str, Any], whole: float) -> Any:  # noqa: ANN401
        """Begin a stream; returns when its first token has come in time."""
        began, trail = measured_from(kwargs), trails.of(kwargs)
        held: list[Any] = []
        first = deployment.first_token_timeout or math.inf
        seconds, declared = min(first, whole), min(first, deployment.timeout)
        async with self._outcomes.attempt(deployment, seconds, declared, trail) as rests:
            response = await self._chat(**kwargs)
            source = aiter(response.completion_stream or await response.fetch_stream())
            while not (held and says(held[-1])):
                try:
                    held.append(await anext(source))
                except Exception as error:
                    raise broken(deployment, error) from error
        trail.answered, trail.first = deployment, time.monotonic()
        for rest in rests:
            # While the answer goes on no other request tries, but not for ever.
            rest.trying = time.monotonic() + self._cooldown
        begun = _Begun(deployment, began, trail, rests, held, source, is_cached(response))
        response.completion_stream = self._rest_of(begun)
        return response

    async def _rest_of(self, begun: _Begun) -> AsyncIterator[Any]:
        """The stream from its first token on, to its proper end or an error."""
        deployment, trail, held, source = begun.deployment, begun.trail, begun.held, begun.source
        finished, tokens, at_first = False, 0, time.monotonic()
        gap, waiting = deployment.stream_timeout, deployment.instance.waiting
        repeats = Repeats()
        deployment.model.running += 1
        try:
            while True:
                # A deadline may not reach over a yield, so each gap has its own.
                with anyio.fail_after(gap) as scope:
                    waiting.add(scope)
                    try:
                        chunk = held.pop(0) if held else await anext(source, None)
                    finally:
                        waiting.discard(scope)
                if chunk is None:
                    break
                # An instance that sends tokens is alive, even if too busy for a sign of life.
                deployment.instance.missed = 0
                tokens += 1
                repeats.see(chunk)
                if deployment.keeps_answers:
                    trail.parts.append(text(chunk))
                if not finished and finish_reason(chunk):
                    finished = True
                    # Counted now: LiteLLM may read no further.
                    deployment.model.running -= 1
                    if not begun.cached:
                        self._outcomes.well(deployment, begun.began, tokens)
                yield chunk
            if not finished:
                raise EOFError("its end is not marked")
        except TimeoutError:
            error = silent(deployment, scope, gap)
            self._outcomes.failed(deployment, error)
            trail.fail(deployment, error, at_first)
            raise error from None
        except Exception as cause:
            error = broken(deployment, cause)
            if not (deployment.rules.engine == "ollama" and repeats.many):
                self._outcomes.failed(deployment, cause)
            trail.fail(deployment, error, at_first)
            raise error from cause
        finally:
            if not finished:
                deployment.model.running -= 1
            for rest in begun.rests:
                rest.trying = 0.0
            if hasattr(source, "aclose"):
                await source.aclose()
