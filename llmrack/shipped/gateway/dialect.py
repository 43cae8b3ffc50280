"""Errors at Anthropic's paths in Anthropic's form.

LiteLLM uses that form for the errors of models only; its own refusals (a key, a limit, a malformed
request) have OpenAI's form (seen with 1.106.12), in which Anthropic's SDK finds no message.
Form: https://platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

import json

from .answer_rewriting import rewriting
from .requests.body import App, Message

_PATHS = ("/messages", "/messages/count_tokens")
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def worded(app: App) -> App:
    """``app`` (ASGI), with errors as its clients know them."""
    return rewriting(app, _PATHS, lambda start: bool(start["status"] >= 400), _in_their_form)


def _in_their_form(start: Message, body: bytes) -> tuple[Message, bytes] | None:
    """An error in Anthropic's form; None if it already has that form, or an unknown one."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or answer.get("type") == "error":
        return None
    kind = _KINDS.get(start["status"], "api_error")
    text = {"type": "error", "error": {"type": kind, "message": str(error.get("message"))}}
    return start, json.dumps(text).encode()
