"""Turns LiteLLM's errors into a cause and a way out.

The wordings were seen with LiteLLM 1.106.12 (prefixes ollama_chat, openai, hosted_vllm). It hides
addresses in them ("host REDACTED"), so the declared address is named instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmrack.stack.deployments import Deployment
from llmrack.verify.causes import (
    failed,
    key_refused,
    no_address,
    overloaded,
    unreachable,
    untrusted,
)

KEY_REFUSED = "the gateway refuses its own master key; deploy it again, so that both ends agree"

# The openai prefix says only "Connection error.", for TLS and unknown names as well.
_UNREACHABLE = (
    *("cannot connect", "connect call failed", "connection refused", "connection error"),
    # The instance has given no sign of life during the request (shipped/gateway/routing/errors.py).
    " is lost",
)

# Words for states that end by themselves: an instance that is put aside (so that another one
# answers, or none), and the gateway's own limit of requests or tokens a minute.
ASIDE = "aside for a while"
ELSEWHERE = "answered by"
LIMITED = "more requests or tokens a minute than declared"

# Precedes a provider's own message ("litellm.NotFoundError: OpenAIException - The model ...").
_PROVIDERS_WORD = "Exception - "


def refused_by_gateway(status: int, message: str) -> bool:
    """Whether the gateway itself refused the key.

    A provider's refusal reads "litellm.SomeError: ...".
    """
    return status in (401, 403) and not message.startswith("litellm.")


def said_by_provider(message: str) -> str:
    """The provider's message, without LiteLLM's additions; empty if there is none."""
    return message.partition(_PROVIDERS_WORD)[2].partition("Received Model Group")[0]


def timed_out(status: int, message: str) -> bool:
    """Whether an error took all the time that is allowed, and would again.

    LiteLLM reports a lost instance as a time-out, though the gateway notices it at once.
    """
    return status in (408, 504) and not any(words in message.lower() for words in _UNREACHABLE)


def explain(status: int, message: str, deployments: Sequence[Deployment]) -> str:
    """Cause and way out for a gateway's error.

    + status: HTTP status; of an error inside a stream, the one in the error
    + message: LiteLLM's text
    + deployments: those that could have answered
    """
    first = deployments[0]
    server = _either(map(_named, deployments))
    models = _either(deployment.model for deployment in deployments)
    text = message.lower()
    if refused_by_gateway(status, message):
        return KEY_REFUSED
    if "certificate" in text:
        return str(untrusted(server, first.provider))
    if "name or service not known" in text:
        return str(no_address(server))
    if any(words in text for words in _UNREACHABLE):
        return str(unreachable(server))
    if timed_out(status, message) or "litellm.timeout" in text:
        return (
            f"{server} did not answer the gateway in time; see its journal, or raise the timeouts "
            f"of models.{models}"
        )
    if "model rate limit exceeded" in text:
        limit = "tpm" if "tpm limit" in text else "rpm"
        return f"{server} would get {LIMITED}; wait, or raise {limit} of models.{models}"
    if status in (401, 403) or "authenticationerror" in text:
        return str(key_refused(server, first.provider, first.secret, status))
    if status == 404 or "notfounderror" in text:
        upstream = _either(repr(deployment.upstream) for deployment in deployments)
        return (
            f"{server} does not know the model {upstream} (404); "
            f"correct models.{models}.model, or pull it there"
        )
    if "invalid model name" in text or "passed in model=" in text:
        return f"the gateway does not know {models!r}; deploy it again and see its journal"
    if "no deployments available" in text:
        return f"the gateway has set {server} {ASIDE} after failures; mend those, then verify again"
    if status == 429:
        return str(overloaded(server, message))
    return str(failed(server, status, message))


def _named(deployment: Deployment) -> str:
    """The instance with its address, if that is known."""
    return deployment.instance + (f" ({deployment.url})" if deployment.url else "")


def _either(values: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(values))
