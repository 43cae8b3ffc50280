"""``/__standin__``: what a test may ask of the stand-in and a real Ollama does not have.

``GET /__standin__/requests`` shows the last requests, ``POST /__standin__/fault`` makes inference
fail or crawl on command.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable

from .errors import ApiError
from .types import JsonObject, JsonValue

PREFIX = "/__standin__/"
FAULTS = ("ok", "hang", "500", "cut", "slow")

# Seconds between two tokens: some pace, so that a stream takes a while and can be cut; and the pace
# of a model that does not fit.
_TOKEN_INTERVAL_S = 0.002
_SLOW_TOKEN_INTERVAL_S = 0.4
_KEPT_REQUESTS = 200
_LOOK_S = 0.25


class Backstage:
    """Recorded requests and the present fault; safe to use from many threads."""

    def __init__(self) -> None:
        self._requests: deque[JsonObject] = deque(maxlen=_KEPT_REQUESTS)
        self._fault = "ok"
        self._changed = threading.Condition()

    def token_interval(self) -> float:
        """Seconds from one token to the next; 500 tokens a second, or 2.5 when it is slow."""
        return _SLOW_TOKEN_INTERVAL_S if self._fault == "slow" else _TOKEN_INTERVAL_S

    def record(
        self, method: str, path: str, headers: list[tuple[str, str]], body: JsonValue
    ) -> None:
        """Remember a request; a bearer token is kept as its SHA-256 only."""
        shown = dict(headers)
        for name, value in headers:
            if name.lower() == "authorization":
                token = value.removeprefix("Bearer ")
                shown[name] = f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
        entry = {"method": method, "path": path, "headers": shown, "body": body}
        with self._changed:
            self._requests.append(entry)

    def answer(self, method: str, path: str, body: JsonObject) -> JsonObject:
        """Answer a request below ``/__standin__/``.

        Raises:
            ApiError: 404, no such path; 400, no such fault.
        """
        action = (method, path.removeprefix(PREFIX))
        if action == ("GET", "requests"):
            with self._changed:
                return {"requests": list(self._requests)}
        if action != ("POST", "fault"):
            raise ApiError(404, f"the stand-in has GET {PREFIX}requests and POST {PREFIX}fault")
        if body.get("mode") not in FAULTS:
            raise ApiError(400, f"mode must be one of {', '.join(FAULTS)}")
        with self._changed:
            self._fault = body["mode"]
            self._changed.notify_all()
        return {"mode": body["mode"]}

    def suffer(self, client_is_gone: Callable[[], bool]) -> bool:
        """Carry out the present fault before an inference request is answered.

        A hanging request goes on when the fault ends, or is dropped when its client leaves.

        Returns:
            whether the answer has to be cut off.

        Raises:
            ApiError: 500, the fault is an error.
            ConnectionError: the client has left.
        """
        with self._changed:
            while self._fault == "hang":
                if client_is_gone():
                    raise ConnectionError("client has left")
                self._changed.wait(_LOOK_S)
            if self._fault == "500":
                raise ApiError(500, "fault set by /__standin__/fault")
            return self._fault == "cut"
