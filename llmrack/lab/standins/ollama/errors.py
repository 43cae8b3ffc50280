"""The one error that request handling raises."""

from __future__ import annotations


class ApiError(Exception):
    """A request that is answered with an error.

    Args:
        status: HTTP status.
        message: text of the ``error`` key in the answer.
        retry_after: seconds of a ``Retry-After`` header.
    """

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
