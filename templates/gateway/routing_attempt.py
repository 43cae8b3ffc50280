"""An attempt: one request to one instance, with its deadlines.

LiteLLM's router asks a deployment through ``litellm.acompletion`` (for chats, and for the dialects
that become chats), and through a function for each other kind; those are wrapped here.
LiteLLM itself bounds a connection, the first token and the gaps between tokens with one number, and
passes off a stream that breaks off as a whole answer (seen with 1.106.2).
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any

import anyio
import litellm
import request_adapt
import request_media
import routing_text
from litellm.exceptions import MidStreamFallbackError
from refusals import Refusal
from routing_blame import blame
from routing_chunks import Repeats, finish_reason, says, text
from routing_clients import Clients
from routing_errors import broken, late, silent
from routing_health import Deployment, Rest
from routing_outcome import Outcomes
from routing_proof import PROOFS
from routing_refusal import refused
from routing_trail import Trail, trails

Call = Callable[..., Awaitable[Any]]
# Of request_adapt.
Form = Callable[[Any, dict[str, Any], dict[str, Any]], list[str]]

# Parameters of a plain chat that LiteLLM cannot put together from a stream.
_PLAIN_ONLY = ("logprobs", "top_logprobs", "audio", "modalities")
# LiteLLM's calls whose answers come whole, and the form of each.
_WHOLE: dict[str, Form] = {
    "aembedding": request_adapt.embedding,
    "atranscription": request_media.transcription,
    "aspeech": request_media.speech,
    "arerank": request_media.rerank,
    "aimage_generation": request_media.image,
    "aimage_edit": request_media.edit,
}


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
        self._outcomes = Outcomes(cooldown, self.ask_briefly)
        self._chat: Call = litellm.acompletion
        self._text: Call = litellm.atext_completion
        self._calls: dict[str, Call] = {"acompletion": self.chat, "atext_completion": self.text}
        self._calls |= {name: self._whole(name, form) for name, form in _WHOLE.items()}

    def install(self) -> None:
        """Wrap LiteLLM's calls."""
        for name, call in self._calls.items():
            setattr(litellm, name, call)

    async def chat(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """``litellm.acompletion``."""
        deployment = self._deployment(kwargs)
        if deployment is None:
            return await self._chat(*args, **kwargs)
        return await self._ask(deployment, request_adapt.chat, kwargs)

    async def _ask(self, deployment: Deployment, form: Form, kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        whole = self._bound(deployment, kwargs)
        self._adapt(deployment, form, kwargs)
        first = deployment.first_token_timeout
        if kwargs.get("stream"):
            return await self._stream(deployment, kwargs, whole)
        if first and kwargs.get("n") in (None, 1) and not any(map(kwargs.get, _PLAIN_ONLY)):
            return await self._put_together(deployment, kwargs, whole)
        return await self._plain(deployment, self._chat, (), kwargs, whole)

    def _whole(self, name: str, form: Form) -> Call:
        """A call of LiteLLM's whose answer comes whole, with what is ours around it."""
        call: Call = getattr(litellm, name)

        @wraps(call)
        async def asked(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as LiteLLM's own)
            deployment = self._deployment(kwargs)
            if deployment is None:
                return await call(*args, **kwargs)
            whole = self._bound(deployment, kwargs)
            if name == "aimage_edit":
                # The one of OpenAI's form that LiteLLM sends without OpenAI's SDK.
                kwargs["client"] = self._clients.http(deployment.instance.name)
            self._adapt(deployment, form, kwargs)
            response = await self._plain(deployment, call, args, kwargs, whole)
            if name == "arerank":
                # LiteLLM asks nobody for headers of this one, but takes those of the provider.
                hidden = response._hidden_params
                known = hidden.get("additional_headers") or {}
                hidden["additional_headers"] = known | trails.of(kwargs).headers
            return response

        return asked

    async def text(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """``litellm.atext_completion``; vLLM's stream is bounded until it begins, no longer."""
        deployment = self._deployment(kwargs)
        if deployment is None:
            return await self._text(*args, **kwargs)
        if deployment.rules.engine != "vllm":
            answer = await self._ask(deployment, routing_text.as_chat, dict(kwargs))
            return routing_text.as_completion(answer, kwargs)
        asked = dict(kwargs)
        whole = self._bound(deployment, kwargs, sdk=True)
        self._adapt(deployment, request_adapt.chat, kwargs)
        routing_text.count(kwargs)
        answer = await self._plain(deployment, self._text, args, kwargs, whole)
        return routing_text.as_completion(answer, asked)

    async def ask_briefly(self, deployment: Deployment) -> None:
        """A short request of the gateway's own, of the kind that the model answers.

        Raises what LiteLLM raises when it fails, and KeyError for a kind that has no such request.
        """
        proof = PROOFS[deployment.kind]
        kwargs = dict(deployment.params or {}) | {"model_info": {"id": deployment.id}}
        # It is nobody's request: it stands in no log of requests.
        kwargs |= {"no-log": True, "num_retries": 0, "max_retries": 0}
        try:
            await self._calls[proof.call](**kwargs, **proof.asked)
        except Exception as error:
            if not proof.or_refused or blame(error, deployment.rules.engine, True):
                raise
            deployment.instance.well(deployment.upstream)

    def _deployment(self, kwargs: dict[str, Any]) -> Deployment | None:
        if kwargs.get("mock_response"):
            # Nobody is asked.
            return None
        return self._deployments.get(str((kwargs.get("model_info") or {}).get("id")))

    def _adapt(self, deployment: Deployment, form: Form, kwargs: dict[str, Any]) -> None:
        """Make the request what the deployment takes. Raises what refused() gives."""
        trail = trails.of(kwargs)
        trail.asked = True
        # LiteLLM leads some requests to OpenAI's /v1/responses by the model's name.
        kwargs["model"] = str(kwargs["model"]).replace("openai/responses/", "openai/", 1)
        try:
            trail.left_out = form(deployment.rules, deployment.params or {}, kwargs)
        except Refusal as refusal:
            raise refused(deployment, refusal, trail, time.monotonic()) from None

    def _bound(self, deployment: Deployment, kwargs: dict[str, Any], *, sdk: bool = False) -> float:
        """Seconds for the whole attempt: as declared, or as the client asks.

        + sdk: LiteLLM asks with OpenAI's SDK, whoever it is
        """
        given = kwargs.get("timeout")
        declared = (None, deployment.timeout, deployment.stream_timeout)
        whole = float(deployment.timeout if given in declared else given)
        kwargs["timeout"] = whole
        # By way of /v1/responses the prefix is gone.
        model = str((deployment.params or kwargs)["model"])
        sdk = sdk or model.startswith("openai/")
        self._clients.choose(deployment.instance.name, kwargs, sdk=sdk)
        return whole

    async def _plain(
        self,
        deployment: Deployment,
        call: Call,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        whole: float,
    ) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        began, trail = _begun(kwargs), trails.of(kwargs)
        async with self._outcomes.attempt(deployment, whole, deployment.timeout, trail):
            response = await call(*args, **kwargs)
        trail.answered = deployment
        if deployment.keeps_answers:
            trail.said = [text(response)]
        usage = getattr(response, "usage", None)
        tokens = getattr(usage, "completion_tokens", None) or 1
        self._outcomes.well(deployment, began, tokens)
        return response

    async def _put_together(
        self, deployment: Deployment, kwargs: dict[str, Any], whole: float
    ) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """A plain answer, asked for as a stream: only so a first token can be waited for."""
        logged, began = kwargs.get("litellm_logging_obj"), time.monotonic()
        asked = kwargs | {"stream": True, "stream_options": {"include_usage": True}}
        try:
            # The deadline of the first token is an attempt's own; this one is for all of it.
            with anyio.fail_after(whole):
                response = await self._stream(deployment, asked, whole)
                chunks = [chunk async for chunk in response]
        except TimeoutError:
            error = late(deployment, f"gave no whole answer within {whole:g} s")
            # As where the answer comes in one piece: a client that waits for less blames nobody.
            if whole >= deployment.timeout:
                self._outcomes.failed(deployment, error)
            trails.of(kwargs).fail(deployment, error, began)
            raise error from None
        except MidStreamFallbackError as error:
            # No token has reached the client: the next instance begins afresh.
            raise error.original_exception or error from None
        finally:
            if logged is not None:
                logged.stream = False
        built = litellm.stream_chunk_builder(chunks, messages=kwargs.get("messages"))
        if built is None:
            raise broken(deployment)
        built._hidden_params = {**built._hidden_params, **response._hidden_params}
        return built

    async def _stream(self, deployment: Deployment, kwargs: dict[str, Any], whole: float) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """A stream that has begun: its first token is there, in time."""
        began, trail = _begun(kwargs), trails.of(kwargs)
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
            # The first token is half an answer: others wait for more of it, but not for ever.
            rest.trying = time.monotonic() + self._cooldown
        response.completion_stream = self._rest_of(deployment, held, source, began, rests, trail)
        return response

    async def _rest_of(
        self,
        deployment: Deployment,
        held: list[Any],
        source: AsyncIterator[Any],
        began: float | None,
        rests: list[Rest],
        trail: Trail,
    ) -> AsyncIterator[Any]:
        """The stream from its first token on, to its proper end or an error."""
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
                # Who gives tokens is alive, even if too busy to say so when it is asked.
                deployment.instance.missed = 0
                tokens += 1
                repeats.see(chunk)
                if deployment.keeps_answers:
                    trail.said.append(text(chunk))
                if not finished and finish_reason(chunk):
                    finished = True
                    # Now, for LiteLLM may read no further.
                    deployment.model.running -= 1
                    self._outcomes.well(deployment, began, tokens)
                yield chunk
            if not finished:
                raise EOFError("its end is not marked")
        except TimeoutError:
            error = silent(deployment, scope, gap)
            self._outcomes.failed(deployment, error)
            trail.fail(deployment, error, at_first)
            raise error from None
        except Exception as found:
            error = broken(deployment, found)
            if not (deployment.rules.engine == "ollama" and repeats.many):
                self._outcomes.failed(deployment, found)
            trail.fail(deployment, error, at_first)
            raise error from found
        finally:
            if not finished:
                deployment.model.running -= 1
            for rest in rests:
                rest.trying = 0.0
            if hasattr(source, "aclose"):
                await source.aclose()


def _begun(kwargs: dict[str, Any]) -> float | None:
    """The monotonic time; None where the pace is not measured: one may wait for a model to load."""
    return None if kwargs.get("no-log") else time.monotonic()
