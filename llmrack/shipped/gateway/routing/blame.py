"""Finds the cause of a failed attempt: the instance, its model, or the client's request.

LiteLLM's classes do not tell: with 1.106.12 a refused connection may be an InternalServerError, and
an OpenAI-like 401 a BadRequestError. The exceptions of httpx beneath them are the same for all
providers.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx

from ..litellm_parts import BadRequestError, Timeout, UnprocessableEntityError
from ..requests.refusals import means_request, words

# Most seconds for which a Retry-After is believed.
LONGEST = 3600.0
# Statuses that reject the gateway's key, so every model fails.
_KEY = (401, 402)
_KINDS = {401: "key", 402: "key", 403: "key", 404: "not found", 408: "timeout", 429: "rate limit"}


# The class of a failure without a status, by the exceptions beneath it; the first match counts.
_CLASSES: dict[str, tuple[type[BaseException], ...]] = {
    "TLS": (ssl.SSLError,),
    "name": (socket.gaierror,),
    "connection": (httpx.NetworkError, httpx.ProtocolError, ConnectionError),
    "timeout": (httpx.TimeoutException, Timeout, TimeoutError),
}


def blame(error: Exception, engine: str, sent: bool) -> str | None:
    """The part that failed: "instance" or "model"; None if the request itself is wrong.

    + engine: ollama, vllm or openai
    + sent: whether LiteLLM has begun to send the request; no server causes an earlier failure
    """
    cause = _beneath(error)
    if isinstance(cause, httpx.HTTPStatusError):
        status = cause.response.status_code
        if means_request(status, words(error), engine):
            return None
        return "instance" if status in _KEY else "model"
    if isinstance(cause, httpx.TransportError):
        silent = isinstance(cause, httpx.TimeoutException)
        return "model" if silent and not isinstance(cause, httpx.ConnectTimeout) else "instance"
    if isinstance(error, Timeout):
        return "model"
    # LiteLLM has not sent the request, or not understood the answer.
    by_litellm = isinstance(error, BadRequestError | UnprocessableEntityError)
    return None if by_litellm or not sent else "model"


def status(error: Exception) -> int | None:
    """The HTTP status of the instance's answer; None if it has not answered."""
    cause = _beneath(error)
    return cause.response.status_code if isinstance(cause, httpx.HTTPStatusError) else None


def kind(error: Exception) -> str:
    """The class of a failure in the log of requests."""
    if known := getattr(error, "failure", None):
        return str(known)
    answered = status(error)
    if answered is not None:
        return _KINDS.get(answered, "server" if answered >= 500 else "request")
    beneath = list(_chain(error))
    for name, classes in _CLASSES.items():
        if any(isinstance(cause, classes) for cause in beneath):
            return name
    if isinstance(error, BadRequestError | UnprocessableEntityError):
        return "request"
    return "server"


def why(error: Exception) -> str:
    """The cause of a failure in a few words, for the log."""
    answered = status(error)
    return f"it answers {answered}" if answered else type(_beneath(error) or error).__name__


def retry_after(error: Exception) -> float | None:
    """Seconds of the answer's Retry-After (RFC 9110, 10.2.3), at most LONGEST; None without it."""
    cause = _beneath(error)
    if not isinstance(cause, httpx.HTTPStatusError):
        return None
    given = cause.response.headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, min(seconds, LONGEST))


def _beneath(error: BaseException | None) -> BaseException | None:
    return next((cause for cause in _chain(error) if isinstance(cause, httpx.HTTPError)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
