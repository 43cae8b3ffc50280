"""The one error that request handling raises."""

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


def runner_error(status: int, message: str, kind: str, **more: int) -> ApiError:
    """An error of ``llama-server``: Ollama hands the body of its answer on as a text.

    Args:
        status: HTTP status.
        message: as in llama.cpp's ``tools/server``.
        kind: its ``type``, such as ``invalid_request_error``.
        more: further keys of the error.
    """
    body = {"error": {"code": status, "message": message, "type": kind, **more}}
    return ApiError(status, json.dumps(body, separators=(",", ":"), ensure_ascii=False))
