"""What becomes of a request that is refused as wrong: it ends there, unless more is declared.

LiteLLM's router goes along a chain whatever a request failed of, and says in the end what the first
one said, who may just have been away. So a refusal is remembered beside the request (Trail), those
who would be asked next are not, and the client hears of the refusal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import openai

from ..litellm_parts import (
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    ProxyException,
    Router,
    RouterRateLimitError,
)
from ..requests.refusals import Refusal, of_content, sentence, too_long
from .errors import stamped
from .health import LOG, Deployment
from .trail import Trail, trails


def refused(deployment: Deployment, error: Exception, trail: Trail, began: float) -> Exception:
    """Note that a model refuses a request; what makes LiteLLM do what is declared for that case."""
    rules, model = deployment.rules, deployment.served
    if isinstance(error, Refusal):
        refusal = error
    else:
        refusal = Refusal(sentence(model, error))
        # The log looks for the upstream's status there.
        refusal.__cause__ = error
    trail.fail(deployment, refusal, began)
    trail.refusals.setdefault(model, refusal)
    named = {"message": str(refusal), "model": deployment.upstream, "llm_provider": ""}
    failure: Exception = refusal
    if rules.context_chain and too_long(error):
        failure = ContextWindowExceededError(**named)
    elif rules.content_chain and of_content(error):
        failure = ContentPolicyViolationError(**named)
    elif rules.next:
        failure = stamped(BadRequestError(**named), deployment)
    else:
        trail.final = refusal
    return failure


def without_eyes(trail: Trail, offered: list[Deployment], able: list[str]) -> list[Deployment]:
    """Those who stay when a request with images is put to ``offered``, none of whom has eyes.

    + able: public names of those that have

    Refusal unless it is declared that such requests go on: then nobody stays.
    """
    model = offered[0].served
    way_out = f"ask one that can: {', '.join(able)}" if able else "no model here can"
    refusal = Refusal(f"{model} cannot see images; {way_out}", "messages")
    trail.refusals.setdefault(model, refusal)
    if not any(deployment.rules.next for deployment in offered):
        trail.final = refusal
        raise refusal
    return []


def install() -> None:
    """Have LiteLLM's router say what a request was refused for."""
    walk: Callable[..., Awaitable[Any]] = Router.async_function_with_fallbacks

    async def walked(router: Router, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            return await walk(router, *args, **kwargs)
        except Exception as error:
            trail = trails.of(kwargs)
            if kwargs.get("fallback_depth"):
                raise
            if trail.refusals:
                raise _worded(next(iter(trail.refusals.values())), kwargs) from None
            if trail.chosen and not trail.asked and not _is_of_gateway(error):
                # LiteLLM could not even put it into a form that can be sent.
                LOG.warning("LiteLLM cannot send a request: %s", type(error).__name__)
                reason = f"the request cannot be understood ({type(error).__name__}); correct it"
                raise _worded(Refusal(reason), kwargs) from error
            raise

    Router.async_function_with_fallbacks = walked


def _worded(refusal: Refusal, kwargs: dict[str, Any]) -> Exception:
    """The refusal as LiteLLM words it in OpenAI's form; of speech it would use FastAPI's."""
    failure: Exception = refusal
    if getattr(kwargs.get("original_function"), "__name__", "") == "_aspeech":
        failure = ProxyException(refusal.message, refusal.type, refusal.param, refusal.status_code)
    return failure


def _is_of_gateway(error: Exception) -> bool:
    """Whether it is a limit or a deadline, and says so."""
    if isinstance(error, RouterRateLimitError | openai.APITimeoutError):
        return True
    return isinstance(error, openai.APIStatusError) and error.status_code < 500
