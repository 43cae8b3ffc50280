"""An attempt: one request to one instance, with its deadlines.

LiteLLM's router asks a deployment through ``litellm.acompletion`` (for chats, and for the dialects
that become chats), and through one function for each other kind. This module wraps them: LiteLLM
has only one deadline for the connection, the first token and the gaps between tokens (seen with
1.106.12).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..litellm_parts import Call, ask_by_chats_only, call, replace_call
from ..requests import adapt, media
from ..requests.refusals import Refusal
from . import completions
from .blame import blame
from .cached import is_cached, past_cache
from .chunks import text
from .clients import Clients
from .health import Deployment
from .outcome import Outcomes, measured_from
from .proof import PROOFS
from .refusal import refused
from .stream import Streams
from .trail import trails

# Makes a request one that a deployment takes, as ``adapt.chat`` does.
Form = Callable[[Any, dict[str, Any], dict[str, Any]], list[str]]

# Parameters of a plain chat that LiteLLM cannot put together from a stream.
_PLAIN_ONLY = ("logprobs", "top_logprobs", "audio", "modalities")
# LiteLLM's calls that do not stream, and the form of each.
_WHOLE: dict[str, Form] = {
    "aembedding": adapt.embedding,
    "atranscription": media.transcription,
    "aspeech": media.speech,
    "arerank": media.rerank,
    "aimage_generation": media.image,
    "aimage_edit": media.edit,
}


class Attempts:
    """Every attempt of this gateway.

    + deployments: by id
    + cooldown: seconds that a deployment rests after a failure without a Retry-After
    """

    def __init__(
        self, deployments: dict[str, Deployment], clients: Clients, cooldown: float
    ) -> None:
        self._deployments = deployments
        self._clients = clients
        self._outcomes = Outcomes(cooldown, self.ask_briefly)
        self._chat: Call = call("acompletion")
        self._streams = Streams(self._chat, self._outcomes, cooldown)
        self._text: Call = call("atext_completion")
        self._calls: dict[str, Call] = {"acompletion": self.chat, "atext_completion": self.text}
        self._calls |= {name: self._whole(name, form) for name, form in _WHOLE.items()}

    def install(self) -> None:
        """Wrap LiteLLM's calls."""
        ask_by_chats_only()
        for name, function in self._calls.items():
            replace_call(name, function)

    async def chat(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        """``litellm.acompletion``."""
        deployment = self._deployment(kwargs)
        if deployment is None:
            return await self._chat(*args, **kwargs)
        return await self._ask(deployment, adapt.chat, kwargs)

    async def _ask(self, deployment: Deployment, form: Form, kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        whole = self._bound(deployment, kwargs)
        self._adapt(deployment, form, kwargs)
        first = deployment.first_token_timeout
        if kwargs.get("stream"):
            return await self._streams.begin(deployment, kwargs, whole)
        if first and kwargs.get("n") in (None, 1) and not any(map(kwargs.get, _PLAIN_ONLY)):
            return await self._streams.put_together(deployment, kwargs, whole)
        return await self._plain(deployment, self._chat, (), kwargs, whole)

    def _whole(self, name: str, form: Form) -> Call:
        """A wrapper around a call of LiteLLM that does not stream."""
        original = call(name)

        @wraps(original)
        async def asked(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as LiteLLM's own)
            deployment = self._deployment(kwargs)
            if deployment is None:
                return await original(*args, **kwargs)
            whole = self._bound(deployment, kwargs)
            if name == "aimage_edit":
                # LiteLLM sends this one in OpenAI's form without OpenAI's SDK.
                kwargs["client"] = self._clients.http(deployment.instance.name)
            self._adapt(deployment, form, kwargs)
            response = await self._plain(deployment, original, args, kwargs, whole)
            if name == "arerank":
                # LiteLLM calls no hook for this call's headers, but passes the provider's on.
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
            answer = await self._ask(deployment, completions.as_chat, dict(kwargs))
            return completions.as_completion(answer, kwargs)
        asked = dict(kwargs)
        whole = self._bound(deployment, kwargs, "openai")
        self._adapt(deployment, adapt.chat, kwargs)
        completions.count(kwargs)
        answer = await self._plain(deployment, self._text, args, kwargs, whole)
        return completions.as_completion(answer, asked)

    async def ask_briefly(self, deployment: Deployment) -> None:
        """Send a short request of the gateway's own, of the model's kind.

        Raises LiteLLM's exception if it fails, and KeyError for a kind without such a request.
        """
        proof = PROOFS[deployment.kind]
        kwargs = dict(deployment.params or {}) | {"model_info": {"id": deployment.id}}
        # It belongs to no client, so no log of requests has it.
        kwargs |= {"no-log": True, "num_retries": 0, "max_retries": 0, **past_cache()}
        try:
            await self._calls[proof.call](**kwargs, **proof.asked)
        except Exception as error:
            if not proof.or_refused or blame(error, deployment.rules.engine, True):
                raise
            deployment.instance.well(deployment.upstream)

    def _deployment(self, kwargs: dict[str, Any]) -> Deployment | None:
        if kwargs.get("mock_response"):
            # No server is asked.
            return None
        return self._deployments.get(str((kwargs.get("model_info") or {}).get("id")))

    def _adapt(self, deployment: Deployment, form: Form, kwargs: dict[str, Any]) -> None:
        """Make the request one that the deployment takes. Raises the exception of refused()."""
        trail = trails.of(kwargs)
        trail.asked = True
        # LiteLLM sends some requests to OpenAI's /v1/responses because of the model's name.
        kwargs["model"] = str(kwargs["model"]).replace("openai/responses/", "openai/", 1)
        try:
            trail.left_out = form(deployment.rules, deployment.params or {}, kwargs)
        except Refusal as refusal:
            raise refused(deployment, refusal, trail, time.monotonic()) from None

    def _bound(
        self, deployment: Deployment, kwargs: dict[str, Any], client: str | None = None
    ) -> float:
        """Seconds for the whole attempt: as declared, or as the client asks.

        + client: the kind of client, if it is not the deployment's
        """
        given = kwargs.get("timeout")
        declared = (None, deployment.timeout, deployment.stream_timeout)
        whole = float(deployment.timeout if given in declared else given)
        kwargs["timeout"] = whole
        self._clients.choose(deployment.instance.name, kwargs, client or deployment.client)
        return whole

    async def _plain(
        self,
        deployment: Deployment,
        function: Call,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        whole: float,
    ) -> Any:  # noqa: ANN401  (as LiteLLM's own)
        began, trail = measured_from(kwargs), trails.of(kwargs)
        async with self._outcomes.attempt(deployment, whole, deployment.timeout, trail):
            response = await function(*args, **kwargs)
        trail.answered = deployment
        if deployment.keeps_answers:
            trail.parts = [text(response)]
        usage = getattr(response, "usage", None)
        tokens = getattr(usage, "completion_tokens", None) or 1
        if not is_cached(response):
            self._outcomes.well(deployment, began, tokens)
        return response
