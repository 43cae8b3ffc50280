"""Who is to blame for a failed attempt: the instance, its model, or nobody but the client.

LiteLLM's classes do not tell: with 1.106.2 a refused connection may be an InternalServerError, and
an OpenAI-like 401 a BadRequestError. What httpx says beneath them is the same for all providers.
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import httpx
import litellm

# Most seconds for which a Retry-After is believed.
LONGEST = 3600.0
# Answers that are about the request; others would answer the same.
_REQUEST = (400, 413, 415, 422)
# Answers that are about the gateway's key, so about every model.
_KEY = (401, 402)


def blame(error: Exception) -> str | None:
    """Who failed: "instance" or "model"; None where it is the request's own fault."""
    found = _beneath(error)
    if isinstance(found, httpx.HTTPStatusError):
        status = found.response.status_code
        return None if status in _REQUEST else "instance" if status in _KEY else "model"
    if isinstance(found, httpx.TransportError):
        silent = isinstance(found, httpx.TimeoutException)
        return "model" if silent and not isinstance(found, httpx.ConnectTimeout) else "instance"
    # LiteLLM has not even asked, or not understood the answer.
    own = isinstance(error, litellm.BadRequestError | litellm.UnprocessableEntityError)
    return None if own else "model"


def status(error: Exception) -> int | None:
    """The HTTP status that the instance answered; None where it did not."""
    found = _beneath(error)
    return found.response.status_code if isinstance(found, httpx.HTTPStatusError) else None


def why(error: Exception) -> str:
    """What happened, in a few words."""
    answered = status(error)
    return f"it answers {answered}" if answered else type(_beneath(error) or error).__name__


def retry_after(error: Exception) -> float | None:
    """Seconds for which the instance asks to be left alone (RFC 9110, 10.2.3), if it does."""
    found = _beneath(error)
    if not isinstance(found, httpx.HTTPStatusError):
        return None
    given = found.response.headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(given).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, min(seconds, LONGEST))


def _beneath(error: BaseException | None) -> BaseException | None:
    while error is not None and not isinstance(error, httpx.HTTPError):
        error = error.__cause__ or error.__context__
    return error
