"""Refusals of requests: the message for the client, and the meaning of an upstream's error.

A refusal puts no instance aside, and starts no chain unless that is declared. LiteLLM's router
takes FastAPI's HTTPException of status 400 for an intended refusal: it does not retry the request
(``is_guardrail_intervention`` of litellm/integrations/custom_guardrail.py, 1.106.12), and its proxy
words it in the client's dialect.
"""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from fastapi import HTTPException

from ..litellm_parts import ContentPolicyViolationError, ContextWindowExceededError

# Most characters of an upstream's message that a client receives.
LONGEST = 400
# The words for a prompt that is too long, of Ollama's llama-server, OpenAI, vLLM and Ollama's
# embeddings.
_TOO_LONG = re.compile(
    r"exceed_context_size_error|exceeds? the (?:available )?context|context_length_exceeded"
    r"|maximum context length|max_model_len|input length exceeds|prompt (?:is )?too long",
    re.IGNORECASE,
)
# Ollama's errors about the request that have status 500 (api/types.go, server/routes.go at v0.33).
_OLLAMA_500 = re.compile(
    r"option \\*\"[^\"]+\" must be of type|invalid (?:format|think value|image|option)"
    r"|does not support|failed to (?:parse|process|decode) (?:grammar|image|inputs)"
    r"|illegal base64|unsupported (?:image|content)|template: |invalid message",
    re.IGNORECASE,
)
# What services answer with status 400 although the key or the account is to blame: Google
# (https://ai.google.dev/gemini-api/docs/troubleshooting), Anthropic.
_OF_ACCOUNT = re.compile(
    r"api[ _]key (?:not valid|not found|expired)|API_KEY_INVALID|credit balance is too low",
    re.IGNORECASE,
)
# LiteLLM's own words before those of the upstream.
_PREFIX = re.compile(r"^(?:litellm\.)?\w*(?:Error|Exception)\w*:? *-? *|^\w+Exception - ")


class Refusal(HTTPException):
    """An answer of status 400.

    + reason: a sentence for the client
    + param: the parameter that is wrong, if it is a single one
    """

    def __init__(self, reason: str, param: str | None = None) -> None:
        super().__init__(status_code=400, detail=reason)
        self.param = param
        self.type = "invalid_request_error"
        self.message = reason
        # Its class in the log of requests.
        self.failure = "request"

    def __str__(self) -> str:
        return self.message


def too_long(error: Exception) -> bool:
    """Whether an upstream says that the prompt is longer than its context."""
    return isinstance(error, ContextWindowExceededError) or bool(_TOO_LONG.search(words(error)))


def of_content(error: Exception) -> bool:
    """Whether an upstream refuses the prompt because of its content."""
    return isinstance(error, ContentPolicyViolationError)


def means_request(status: int, complaint: str, engine: str) -> bool:
    """Whether an error of an upstream is about the request.

    + status: HTTP status
    + complaint: the upstream's message
    + engine: ollama, vllm or openai
    """
    if engine == "litellm" and status == 400 and _OF_ACCOUNT.search(complaint):
        return False
    if status in (400, 413, 415, 422, 501):
        return True
    return engine == "ollama" and status == 500 and bool(_OLLAMA_500.search(complaint))


def sentence(model: str, error: Exception) -> str:
    """A sentence for the client: why ``model`` was not asked, or why it refuses the request."""
    complaint = words(error)
    if _response(error) is None and (
        not complaint or "Traceback" in complaint or "litellm" in complaint.lower()
    ):
        # LiteLLM could not make a request of it; its message is about its own code.
        root: BaseException = error
        while beneath := root.__cause__ or root.__context__:
            root = beneath
        return f"{model} cannot be asked this ({type(root).__name__}); correct the request"
    return f"{model} refuses this: {complaint}"


def words(error: BaseException) -> str:
    """An upstream's message, without LiteLLM's additions."""
    response = _response(error)
    text = ""
    if response is not None:
        try:
            text = response.text
        except httpx.StreamError:
            text = ""
    text = text or _PREFIX.sub("", _PREFIX.sub("", str(getattr(error, "message", error))))
    start = text.find("{")
    try:
        body = json.loads(text[start:]) if start >= 0 else None
    except ValueError:
        body = None
    message = _message(body) or text
    line = " ".join(str(message).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _message(body: Any) -> str | None:  # noqa: ANN401  (whatever an upstream sends)
    """The message in an error of Ollama's, OpenAI's or FastAPI's form."""
    for _ in range(3):
        if not isinstance(body, dict):
            break
        message = next((body[n] for n in ("error", "message", "detail") if body.get(n)), None)
        if isinstance(message, str) and message.startswith("{"):
            # Ollama passes its runner's error on as a text.
            try:
                body = json.loads(message)
                continue
            except ValueError:
                return message
        body = message
    return body if isinstance(body, str) else None


def _response(error: BaseException | None) -> httpx.Response | None:
    while error is not None:
        if isinstance(error, httpx.HTTPStatusError):
            return error.response
        error = error.__cause__ or error.__context__
    return None
