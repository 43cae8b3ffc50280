"""The errors that request handling raises."""

from __future__ import annotations

import json


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        message: text of the ``error`` key in the answer.
        retry_after: seconds of a ``Retry-After`` header.
        native: whether it has Ollama's own form at paths under ``/v1`` too.
    """

    def __init__(
        self, status: int, message: str, retry_after: float | None = None, *, native: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.native = native


class RunnerError(ApiError):
    """An error of ``llama-server``: Ollama hands the body of its answer on as a text.

    Args:
        reason: as in llama.cpp's ``tools/server``.
        kind: its ``type``.
        more: further keys of the error.
    """

    def __init__(self, reason: str, kind: str = "invalid_request_error", **more: int) -> None:
        body = {"error": {"code": 400, "message": reason, "type": kind, **more}}
        super().__init__(400, json.dumps(body, separators=(",", ":"), ensure_ascii=False))
        self.reason = reason
