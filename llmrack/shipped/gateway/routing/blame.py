"""Who is to blame for a failed attempt: the instance, its model, or nobody but the client.

LiteLLM's classes do not tell: with 1.106.12 a refused connection may be an InternalServerError, and
an OpenAI-like 401 a BadRequestError. What httpx says beneath them is the same for all providers.
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
# Answers that are about the gateway's key, so about every model.
_KEY = (401, 402)
_KINDS = {401: "key", 402: "key", 403: "key", 404: "not found", 408: "timeout", 429: "rate limit"}


# What a failure is where no status tells, by what lies beneath it; the first one that fits.
_CLASSES: dict[str, tuple[type[BaseException], ...]] = {
    "TLS": (ssl.SSLError,),
    "name": (socket.gaierror,),
    "connection": (httpx.NetworkError, httpx.ProtocolError, ConnectionError),
    "timeout": (httpx.TimeoutException, Timeout, TimeoutError),
}


def blame(error: Exception, engine: str, sent: bool) -> str | None:
    """Who failed: "instance" or "model"; None where it is the request's own fault.

    + engine: ollama, vllm or openai
    + sent: whether LiteLLM has begun to send the request; what fails before is no server's fault
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
    # LiteLLM has not even asked, or not understood the answer.
    by_litellm = isinstance(error, BadRequestError | UnprocessableEntityError)
    return None if by_litellm or not sent else "model"


def status(error: Exception) -> int | None:
    """The HTTP status that the instance answered; None where it did not."""
    cause = _beneath(error)
    return cause.response.status_code if isinstance(cause, httpx.HTTPStatusError) else None


def kind(error: Exception) -> str:
    """The class of a failure in the log of requests: its ``failure``, or what lies beneath it."""
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
    """What happened, in a few words."""
    answered = status(error)
    return f"it answers {answered}" if answered else type(_beneath(error) or error).__name__


def retry_after(error: Exception) -> float | None:
    """Seconds for which the instance asks to be left alone (RFC 9110, 10.2.3), if it does."""
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
