"""Ends a request that is refused as wrong, unless a chain is declared for that case.

LiteLLM's router follows a chain after any failure, and returns the first error in the end, which
may be that of an instance that was away. So a refusal is noted beside the request (Trail), no
further model is asked, and the client receives the refusal.
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
    """Note a model's refusal; returns the exception by which LiteLLM does what is declared then."""
    rules, model = deployment.rules, deployment.served
    if isinstance(error, Refusal):
        refusal = error
    else:
        refusal = Refusal(sentence(model, error))
        # The log reads the upstream's status from it.
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
    """Refuse a request with images for deployments that cannot see them.

    + offered: the deployments, none with vision
    + able: public names of models with vision

    Returns no deployment if it is declared that such requests go on; else raises Refusal.
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
    """Have LiteLLM's router raise the refusal of a request."""
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
                # LiteLLM could not make a request of it.
                LOG.warning("LiteLLM cannot send a request: %s", type(error).__name__)
                reason = f"the request cannot be understood ({type(error).__name__}); correct it"
                raise _worded(Refusal(reason), kwargs) from error
            raise

    Router.async_function_with_fallbacks = walked


def _worded(refusal: Refusal, kwargs: dict[str, Any]) -> Exception:
    """The refusal in OpenAI's form; for speech LiteLLM would use FastAPI's."""
    failure: Exception = refusal
    if getattr(kwargs.get("original_function"), "__name__", "") == "_aspeech":
        failure = ProxyException(refusal.message, refusal.type, refusal.param, refusal.status_code)
    return failure


def _is_of_gateway(error: Exception) -> bool:
    """Whether an error is a limit or a deadline of the gateway, which has a message of its own."""
    if isinstance(error, RouterRateLimitError | openai.APITimeoutError):
        return True
    return isinstance(error, openai.APIStatusError) and error.status_code < 500
