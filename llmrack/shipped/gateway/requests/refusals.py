"""Requests that are refused: what is said to the client, and what an upstream's complaint means.

A refusal blames nobody and goes along no chain unless that is declared. FastAPI's HTTPException of
status 400 is what LiteLLM's router takes for an intended refusal: it neither repeats it nor goes on
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

# Most characters of an upstream's own words that are handed on.
LONGEST = 400
# Words by which a prompt is said to be too long: Ollama's llama-server, OpenAI, vLLM, Ollama's
# embeddings.
_TOO_LONG = re.compile(
    r"exceed_context_size_error|exceeds? the (?:available )?context|context_length_exceeded"
    r"|maximum context length|max_model_len|input length exceeds|prompt (?:is )?too long",
    re.IGNORECASE,
)
# What Ollama says as 500 though it is about the request (api/types.go, server/routes.go at v0.33).
_OLLAMA_500 = re.compile(
    r"option \\*\"[^\"]+\" must be of type|invalid (?:format|think value|image|option)"
    r"|does not support|failed to (?:parse|process|decode) (?:grammar|image|inputs)"
    r"|illegal base64|unsupported (?:image|content)|template: |invalid message",
    re.IGNORECASE,
)
# LiteLLM's own words before those of the upstream.
_PREFIX = re.compile(r"^(?:litellm\.)?\w*(?:Error|Exception)\w*:? *-? *|^\w+Exception - ")


class Refusal(HTTPException):
    """400, and a sentence for the client.

    + param: the parameter that is wrong, where it is one
    """

    def __init__(self, reason: str, param: str | None = None) -> None:
        super().__init__(status_code=400, detail=reason)
        self.param = param
        self.type = "invalid_request_error"
        self.message = reason
        # The class of it in the log of requests.
        self.failure = "request"

    def __str__(self) -> str:
        return self.message


def too_long(error: Exception) -> bool:
    """Whether an upstream says that the prompt is longer than its context."""
    return isinstance(error, ContextWindowExceededError) or bool(_TOO_LONG.search(words(error)))


def of_content(error: Exception) -> bool:
    """Whether an upstream refuses the prompt for what it says."""
    return isinstance(error, ContentPolicyViolationError)


def means_request(status: int, complaint: str, engine: str) -> bool:
    """Whether an answer with an error is a complaint about the request.

    + complaint: the upstream's words
    + engine: ollama, vllm or openai
    """
    if status in (400, 413, 415, 422, 501):
        return True
    return engine == "ollama" and status == 500 and bool(_OLLAMA_500.search(complaint))


def sentence(model: str, error: Exception) -> str:
    """Why ``model`` was not asked, or what it says against the request."""
    complaint = words(error)
    if _response(error) is None and (
        not complaint or "Traceback" in complaint or "litellm" in complaint.lower()
    ):
        # LiteLLM could not put it into a form that can be sent; its words are about itself.
        root: BaseException = error
        while beneath := root.__cause__ or root.__context__:
            root = beneath
        return f"{model} cannot be asked this ({type(root).__name__}); correct the request"
    return f"{model} refuses this: {complaint}"


def words(error: BaseException) -> str:
    """What an upstream says, without what LiteLLM puts around it."""
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
            # Ollama hands on its runner's error as a text.
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
