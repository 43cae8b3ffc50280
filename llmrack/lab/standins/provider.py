"""A provider stand-in: its routes and keys, the faults it is told to show, what it was asked."""

from __future__ import annotations

import hmac
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from llmrack.lab.standins.answers import JSON, Answer, Model, Prompt, answer
from llmrack.lab.standins.http import Handler, Reply, Request, Stream

Routes = Mapping[tuple[str, str], Callable[[Request], Reply | Stream]]

MODES = ("ok", "refuse", "hang", "401", "429", "500", "cut")
REMEMBERED_REQUESTS = 500
MESSAGES = {401: "unauthorized", 429: "too many requests", 500: "internal server error"}


class Refusal(Exception):
    """A request that is refused; the provider words it in its own error form."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        """`code` is OpenAI's machine-readable one, where there is any."""
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Fault:
    """What is wrong at present, for one model or for all of them.

    `after` is how many streamed chunks still pass before `cut` or `hang` strikes. A `hang` from
    the start (`after` is 0) sends not even headers; it ends when the fault changes.
    """

    mode: str = "ok"
    model: str | None = None
    after: int = 0

    @classmethod
    def parse(cls, body: JSON | None) -> Fault:
        """Read `{"mode": ..., "model": ..., "after": ...}`; ValueError with the way out."""
        body = body or {}
        mode, model = body.get("mode"), body.get("model")
        after = body.get("after", 1 if mode == "cut" else 0)
        if unknown := body.keys() - {"mode", "model", "after"}:
            raise ValueError(f"unknown key {min(unknown)!r}: use mode, model, after")
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}: use one of {', '.join(MODES)}")
        if mode == "refuse" and model is not None:
            raise ValueError("a connection is refused before it names a model: leave model out")
        if not isinstance(after, int) or after < 0:
            raise ValueError("after is a number of chunks: 0 or more")
        return cls(mode, model, after)

    def strikes(self, request: Request) -> bool:
        """Return whether this request is to feel the fault."""
        return self.mode != "ok" and self.model in (None, request.model)


class Provider(ABC):
    """What a stand-in serves. Subclasses say which paths there are and how errors look.

    `name` is the label in markers, `stands_for` the service that it is honest about not being.
    """

    name: ClassVar[str]
    stands_for: ClassVar[str]

    def __init__(self, models: Sequence[Model], key: str) -> None:
        """Serve `models` to who shows `key`; to everyone where it is empty."""
        self.models = {model.name: model for model in models}
        self.requests: deque[JSON] = deque(maxlen=REMEMBERED_REQUESTS)
        self.started = int(time.time())
        self._key = key.encode()
        self._fault = Fault()
        self._fault_changed = threading.Condition()

    @abstractmethod
    def routes(self) -> Routes:
        """Return what answers each (method, path)."""

    @abstractmethod
    def needs_key(self, path: str) -> bool:
        """Return whether `path` is closed without the key."""

    @abstractmethod
    def error(self, path: str, refusal: Refusal) -> JSON | str:
        """Word a refusal the way the real service does on `path`."""

    @abstractmethod
    def unauthorized(self, request: Request) -> Refusal:
        """Return the refusal of a missing or wrong key."""

    @abstractmethod
    def unknown(self, model: str) -> Refusal:
        """Return the refusal of a model that is not served."""

    def find(self, request: Request) -> Model:
        """Return the model asked for; Refusal where it is not served."""
        model = self.models.get(request.model or "")
        if model is None:
            raise self.unknown(request.model or "")
        return model

    def say(self, model: Model, prompt: Prompt) -> Answer:
        """Answer a prompt with this stand-in's marker."""
        return answer(self.name, self.stands_for, model.name, prompt)

    @property
    def fault(self) -> Fault:
        """The fault shown at present; assigning one wakes what hangs."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        with self._fault_changed:
            self._fault = fault
            self._fault_changed.notify_all()

    def serve(self, handler: Handler, request: Request) -> None:
        """Answer one request, with the present fault if it strikes."""
        entry: JSON = {
            "time": time.time(),
            "method": request.method,
            "path": request.path,
            "headers": request.redacted_headers(),
            "body": request.body,
            "model": request.model,
            "status": None,
        }
        self.requests.append(entry)
        fault = self.fault
        mode = fault.mode if fault.strikes(request) else "ok"
        if mode == "hang" and fault.after == 0 and not self._hang(handler, fault):
            handler.drop()
            return
        result = self._result(request, int(mode) if mode.isdigit() else None)
        entry["status"] = result.status if isinstance(result, Reply) else 200
        if isinstance(result, Reply):
            handler.send(result, cut=mode == "cut")
            return

        def before(piece: int) -> bool:
            if mode == "hang" and piece == fault.after > 0:
                return self._hang(handler, fault)
            return not (mode == "cut" and piece >= fault.after)

        handler.send_stream(result, before)

    def _hang(self, handler: Handler, fault: Fault) -> bool:
        """Wait until the fault changes; False where the client left first."""
        with self._fault_changed:
            while self._fault is fault:
                if handler.client_left():
                    return False
                self._fault_changed.wait(0.1)
        return True

    def _result(self, request: Request, status: int | None) -> Reply | Stream:
        try:
            if status is not None:
                raise Refusal(status, MESSAGES[status])
            if self.needs_key(request.path) and not self._authorized(request):
                raise self.unauthorized(request)
            method = "GET" if request.method == "HEAD" else request.method
            route = self.routes().get((method, request.path))
            if route is None:
                raise Refusal(404, f'path "{request.path}" not found')
            if request.body is None:
                raise Refusal(400, "the body is not a JSON object")
            return route(request)
        except Refusal as refusal:
            headers = {"Retry-After": "2"} if refusal.status == 429 else {}
            return Reply(self.error(request.path, refusal), refusal.status, headers)

    def _authorized(self, request: Request) -> bool:
        return not self._key or hmac.compare_digest(request.token.encode(), self._key)
