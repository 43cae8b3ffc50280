"""``/__standin__``: what a test may ask of the stand-in and a real Ollama does not have.

``GET /__standin__/requests`` shows the last requests, ``POST /__standin__/fault`` makes the server
fail or crawl on command.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable

from .errors import ApiError
from .faults import OLLAMA_MODES, STATUS, Fault, Faults
from .generation import Pace
from .types import JsonObject, JsonValue

PREFIX = "/__standin__/"

# Seconds between two tokens: some pace, so that a stream takes a while and can be cut.
_TOKEN_INTERVAL_S = 0.002
_KEPT_REQUESTS = 200
_KEY_HEADERS = ("authorization", "x-api-key")


class Backstage:
    """Recorded requests and the present fault; safe to use from many threads.

    Each of ``followers`` is told of a new fault before requests feel it.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.followers: list[Callable[[Fault], None]] = []
        self._requests: deque[JsonObject] = deque(maxlen=_KEPT_REQUESTS)
        self._lock = threading.Lock()

    def pace(self, model: str) -> Pace:
        """How a model answers: 500 tokens a second, unless a fault makes it slow or endless."""

        def token_interval() -> float:
            fault = self.faults.striking(model, inference=True)
            return fault.seconds if fault.mode == "slow" else _TOKEN_INTERVAL_S

        endless = self.faults.striking(model, inference=True).mode == "endless"
        return Pace(token_interval, endless)

    def record(
        self, method: str, path: str, headers: list[tuple[str, str]], body: JsonValue
    ) -> None:
        """Remember a request; keys are kept as their SHA-256 only."""
        shown = dict(headers)
        for name, value in headers:
            if name.lower() in _KEY_HEADERS:
                token = value.removeprefix("Bearer ")
                shown[name] = f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
        entry = {"method": method, "path": path, "headers": shown, "body": body}
        with self._lock:
            self._requests.append(entry)

    def answer(self, method: str, path: str, body: JsonObject) -> JsonObject:
        """Answer a request below ``/__standin__/``.

        Raises:
            ApiError: 404, no such path; 400, no such fault.
        """
        action = (method, path.removeprefix(PREFIX))
        if action == ("GET", "requests"):
            with self._lock:
                return {"requests": list(self._requests)}
        if action != ("POST", "fault"):
            raise ApiError(404, f"the stand-in has GET {PREFIX}requests and POST {PREFIX}fault")
        try:
            fault = Fault.parse(body, "inference", OLLAMA_MODES)
        except ValueError as error:
            raise ApiError(400, str(error)) from None
        for follow in self.followers:
            follow(fault)
        self.faults.present = fault
        return {"mode": fault.mode}

    def suffer(self, fault: Fault, client_left: Callable[[], bool]) -> None:
        """Carry out a fault before a request is answered; one that hangs goes on when it ends.

        Raises:
            ApiError: the fault is an error.
            ConnectionError: the client has left.
        """
        if fault.mode == "hang" and fault.after == 0:
            self.faults.wait(fault, client_left)
        if fault.status is not None:
            wait = fault.seconds if fault.mode == "429" else None
            raise ApiError(fault.status, f"{STATUS[fault.status]} (a fault that was set)", wait)
