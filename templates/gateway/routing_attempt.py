"""An attempt: one request to one instance, its deadlines, and what its outcome says of it.

LiteLLM's router asks a deployment through ``litellm.acompletion`` and ``litellm.aembedding``; those
are wrapped here. LiteLLM itself bounds a connection, the first token and the gaps between tokens
with one number, and passes off a stream that breaks off as a whole answer (seen with 1.106.2).
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import litellm
from litellm.exceptions import MidStreamFallbackError
from routing_chunks import finish_reason, says
from routing_clients import Clients
from routing_health import Instance, Model, Rest

Call = Callable[..., Awaitable[Any]]

# Parameters of a plain chat that LiteLLM cannot put together from a stream.
_PLAIN_ONLY = ("logprobs", "top_logprobs", "audio", "modalities")
_PROOF = [{"role": "user", "content": "Say ok."}]


@dataclass
class Deployment:
    """A deployment's entry in routing.json, with its instance.

    + params: LiteLLM's own parameters of it, once a request has been routed
    """

    id: str
    instance: Instance
    upstream: str
    level: int
    weight: float
    mode: str
    first_token_timeout: float | None
    timeout: float
    stream_timeout: float
    params: dict[str, Any] | None = None

    @property
    def model(self) -> Model:
        """What is known of its model."""
        return self.instance.model(self.upstream)

    def can_be_asked(self, now: float) -> bool:
        """Whether nothing of it rests."""
        return self.instance.can_be_asked(self.upstream, now)


class Attempts:
    """Every attempt of this gateway.

    + deployments: by id
    + cooldown: seconds that one rests whose failure does not say for how long
    """

    def __init__(
        self, deployments: dict[str, Deployment], clients: Clients, cooldown: float
    ) -> None:
        """Nothing is wrapped before install()."""
        self._deployments = deployments
        self._clients = clients
        self._cooldown = cooldown
        self._chat: Call = litellm.acompletion
        self._embed: Call = litellm.aembedding

    def install(self) -> None:
        """Wrap LiteLLM's calls."""
        litellm.acompletion = self.chat
        litellm.aembedding = self.embed

    async def chat(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """``litellm.acompletion``."""
        deployment = self._deployment(kwargs)
        if deployment is None:
            return await self._chat(*args, **kwargs)
        whole = self._bound(deployment, kwargs)
        first = deployment.first_token_timeout
        if kwargs.get("stream"):
            return await self._stream(deployment, kwargs, first or whole)
        if first and kwargs.get("n") in (None, 1) and not any(map(kwargs.get, _PLAIN_ONLY)):
            return await self._put_together(deployment, kwargs, first, whole)
        return await self._plain(deployment, self._chat, args, kwargs, whole)

    async def embed(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """``litellm.aembedding``."""
        deployment = self._deployment(kwargs)
        if deployment is None:
            return await self._embed(*args, **kwargs)
        whole = self._bound(deployment, kwargs)
        return await self._plain(deployment, self._embed, args, kwargs, whole)

    async def ask_briefly(self, deployment: Deployment) -> None:
        """A short request of the gateway's own, of the kind that the model answers.

        Raises what LiteLLM raises when it fails.
        """
        kwargs = dict(deployment.params or {}) | {"model_info": {"id": deployment.id}}
        # It is nobody's request: it stands in no log of requests.
        kwargs |= {"no-log": True, "num_retries": 0, "max_retries": 0}
        if deployment.mode == "embedding":
            await self.embed(**kwargs, input=["ok"])
        else:
            await self.chat(**kwargs, messages=_PROOF, max_tokens=1, stream=False)

    def _deployment(self, kwargs: dict[str, Any]) -> Deployment | None:
        return self._deployments.get(str((kwargs.get("model_info") or {}).get("id")))

    def _bound(self, deployment: Deployment, kwargs: dict[str, Any]) -> float:
        """Seconds for the whole attempt: as declared, or as the client asks."""
        given = kwargs.get("timeout")
        declared = (None, deployment.timeout, deployment.stream_timeout)
        whole = float(deployment.timeout if given in declared else given)
        kwargs["timeout"] = whole
        self._clients.choose(deployment.instance.name, kwargs)
        return whole

    async def _plain(
        self,
        deployment: Deployment,
        call: Call,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        whole: float,
    ) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        began = time.monotonic()
        async with self._attempt(deployment), self._deadline(deployment, whole):
            response = await call(*args, **kwargs)
        usage = getattr(response, "usage", None)
        tokens = getattr(usage, "completion_tokens", None) or 1
        self._well(deployment, began, tokens)
        return response

    async def _put_together(
        self, deployment: Deployment, kwargs: dict[str, Any], first: float, whole: float
    ) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """A plain answer, asked for as a stream: only so a first token can be waited for."""
        logged = kwargs.get("litellm_logging_obj")
        asked = kwargs | {"stream": True, "stream_options": {"include_usage": True}}
        try:
            # The deadline of the first token is an attempt's own; this one is for all of it.
            with anyio.fail_after(whole):
                response = await self._stream(deployment, asked, min(first, whole))
                chunks = [chunk async for chunk in response]
        except TimeoutError:
            raise self._timeout(deployment, f"no whole answer within {whole:g} s") from None
        except MidStreamFallbackError as error:
            # No token has reached the client: the next instance begins afresh.
            raise error.original_exception or error from None
        finally:
            if logged is not None:
                logged.stream = False
        built = litellm.stream_chunk_builder(chunks, messages=kwargs.get("messages"))
        if built is None:
            raise self._broken(deployment)
        built._hidden_params = {**built._hidden_params, **response._hidden_params}
        return built

    async def _stream(self, deployment: Deployment, kwargs: dict[str, Any], first: float) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """A stream that has begun: its first token is there."""
        began = time.monotonic()
        held: list[Any] = []
        async with self._attempt(deployment), self._deadline(deployment, first):
            response = await self._chat(**kwargs)
            source = aiter(response.completion_stream or await response.fetch_stream())
            while not (held and says(held[-1])):
                try:
                    held.append(await anext(source))
                except StopAsyncIteration:
                    raise self._broken(deployment) from None
        response.completion_stream = self._rest_of(deployment, held, source, began)
        return response

    async def _rest_of(
        self, deployment: Deployment, held: list[Any], source: AsyncIterator[Any], began: float
    ) -> AsyncIterator[Any]:
        """The stream from its first token on, to its proper end or an error."""
        finished = any(map(finish_reason, held))
        tokens = len(held)
        gap, waiting = deployment.stream_timeout, deployment.instance.waiting
        deployment.model.running += 1
        try:
            for chunk in held:
                yield chunk
            while True:
                # A deadline may not reach over a yield, so each gap has its own.
                with anyio.fail_after(gap) as scope:
                    waiting.add(scope)
                    try:
                        chunk = await anext(source, None)
                    finally:
                        waiting.discard(scope)
                if chunk is None:
                    break
                finished = finished or finish_reason(chunk)
                tokens += 1
                yield chunk
            if not finished:
                raise self._broken(deployment)
            self._well(deployment, began, tokens)
        except TimeoutError:
            error = self._timeout(deployment, f"is lost, or said nothing for {gap:g} s")
            self._failed(deployment, error)
            raise error from None
        except Exception as error:
            self._failed(deployment, error)
            raise
        finally:
            deployment.model.running -= 1
            if hasattr(source, "aclose"):
                await source.aclose()

    @asynccontextmanager
    async def _attempt(self, deployment: Deployment) -> AsyncIterator[None]:
        """Count it as running, and note its failure."""
        instance, model = deployment.instance, deployment.model
        instance.used = time.monotonic()
        instance.tried(deployment.upstream, math.inf)
        model.running += 1
        try:
            yield
        except Exception as error:
            # Before the router asks somebody else.
            self._failed(deployment, error)
            raise
        finally:
            model.running -= 1
            instance.used = time.monotonic()
            instance.tried(deployment.upstream, 0.0)

    @asynccontextmanager
    async def _deadline(self, deployment: Deployment, seconds: float) -> AsyncIterator[None]:
        """Ends with a Timeout after some seconds, or when the instance is lost."""
        began = time.monotonic()
        waiting = deployment.instance.waiting
        try:
            with anyio.fail_after(seconds) as scope:
                waiting.add(scope)
                try:
                    yield
                finally:
                    waiting.discard(scope)
        except TimeoutError:
            lost = time.monotonic() - began < seconds
            why = "is lost" if lost else f"said nothing for {seconds:g} s"
            raise self._timeout(deployment, why) from None

    def _well(self, deployment: Deployment, began: float, tokens: int) -> None:
        deployment.instance.answered(deployment.upstream)
        deployment.model.measure(time.monotonic() - began, tokens)

    def _failed(self, deployment: Deployment, error: Exception) -> None:
        """Put aside who is to blame for ``error``: the instance, the model there, or nobody."""
        if isinstance(error, litellm.BadRequestError | litellm.UnprocessableEntityError):
            return
        wildcard = deployment.upstream.endswith("*")
        if wildcard and isinstance(error, litellm.NotFoundError):
            return
        refused = (litellm.AuthenticationError, litellm.PermissionDeniedError)
        whole = isinstance(error, (*refused, litellm.APIConnectionError))
        provable = deployment.instance.watched and deployment.params and not wildcard
        seconds = 0.0 if provable else self._cooldown
        if isinstance(error, litellm.RateLimitError):
            seconds = retry_after(error) or self._cooldown

        async def proof() -> None:
            await self.ask_briefly(deployment)

        rest = Rest(time.monotonic() + seconds, type(error).__name__, proof if provable else None)
        deployment.instance.put_aside(rest, None if whole else deployment.upstream)

    def _timeout(self, deployment: Deployment, why: str) -> litellm.Timeout:
        text = f"{deployment.instance.name} {why}"
        return litellm.Timeout(message=text, model=deployment.upstream, llm_provider="")

    def _broken(self, deployment: Deployment) -> litellm.InternalServerError:
        text = f"{deployment.instance.name} broke off before its answer was whole"
        return litellm.InternalServerError(message=text, model=deployment.upstream, llm_provider="")


def retry_after(error: litellm.RateLimitError) -> float | None:
    """Seconds of a 429's Retry-After header; None where it has none (RFC 9110, 10.2.3)."""
    response = getattr(error, "response", None)
    given = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", {})
    for name in ("retry-after", "llm_provider-retry-after"):
        try:
            return max(0.0, min(float(given[name]), 3600.0))
        except (KeyError, TypeError, ValueError):
            continue
    return None
