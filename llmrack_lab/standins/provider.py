"""A provider stand-in: its routes and keys, the faults it is told to show, what it was asked."""

from __future__ import annotations

import hmac
import json
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

from llmrack_lab.standins.answers import JSON, Answer, Model, Prompt, answer
from llmrack_lab.standins.http import Handler, Reply, Request, Stream
from llmrack_lab.standins.ollama.errors import ApiError
from llmrack_lab.standins.ollama.faults import STATUS, Broken, Fault, Faults, full_name

Routes = Mapping[tuple[str, str], Callable[[Request], Reply | Stream]]

REMEMBERED_REQUESTS = 500


class Refusal(Exception):
    """A request that is refused; the provider words it in its own error form."""

    def __init__(
        self, status: int, message: str, code: str | None = None, param: str | None = None
    ) -> None:
        """`code` and `param` are OpenAI's machine-readable ones, where there are any."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


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
        self._keys = [key.encode()] if key else []
        # When each model that was asked for is ready, on the monotonic clock, by its full name.
        self.loaded: dict[str, float] = {}
        self._faults = Faults()

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
        """The fault shown at present; assigning one wakes what waits. With `load` all is cold."""
        return self._faults.present

    @fault.setter
    def fault(self, fault: Fault) -> None:
        if fault.mode == "load":
            self.loaded.clear()
        self._faults.present = fault

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
        inference = request.method == "POST" and not request.path.endswith("/show")
        fault = self._faults.striking(request.model, inference=inference)
        try:
            if fault.mode == "hang" and fault.after == 0:
                self._faults.wait(fault, handler.client_left)
            if inference:
                self._load(handler, request, fault)
            result = self._result(request, fault)
            entry["status"] = result.status if isinstance(result, Reply) else 200
            self._send(handler, request, result, fault)
        except Broken as broken:
            handler.drop(reset=broken.reset)
        except ConnectionError:
            handler.drop()

    def _load(self, handler: Handler, request: Request, fault: Fault) -> None:
        name = full_name(request.model or "")
        if name not in map(full_name, self.models):
            return
        seconds = fault.seconds if fault.mode == "load" else 0
        ready = self.loaded.setdefault(name, time.monotonic() + seconds)
        self._faults.wait(fault, handler.client_left, ready - time.monotonic())

    def _send(
        self, handler: Handler, request: Request, result: Reply | Stream, fault: Fault
    ) -> None:
        if isinstance(result, Reply):
            if fault.mode == "slow":
                self._faults.wait(fault, handler.client_left, fault.seconds * result.tokens)
            if fault.mode in ("cut", "reset"):
                handler.send_half(result)
                raise Broken(reset=fault.mode == "reset")
            handler.send(result)
            return
        pieces = self._faults.stream(fault, result.pieces, handler.client_left)

        def told() -> Iterator[bytes]:
            try:
                for piece in pieces:
                    if fault.mode == "slow":
                        self._faults.wait(fault, handler.client_left, fault.seconds)
                    yield piece
            except ApiError as error:
                text = json.dumps(self.error(request.path, Refusal(500, error.message)))
                events = result.content_type.startswith("text/event-stream")
                yield f"data: {text}\n\n".encode() if events else f"{text}\n".encode()

        handler.send_stream(Stream(result.content_type, told()))

    def _result(self, request: Request, fault: Fault) -> Reply | Stream:
        try:
            if fault.status is not None:
                raise Refusal(fault.status, STATUS[fault.status])
            if self.needs_key(request.path) and not self.authorized(request):
                raise self.unauthorized(request)
            method = "GET" if request.method == "HEAD" else request.method
            route = self.routes().get((method, request.path))
            if route is None:
                raise Refusal(404, f'path "{request.path}" not found')
            if request.body is None:
                raise Refusal(400, "the body is not a JSON object")
            if fault.mode == "missing" and request.model:
                raise self.unknown(request.model)
            try:
                result = route(request)
            except ApiError as error:
                raise Refusal(error.status, error.message) from None
            if fault.mode == "error" and isinstance(result, Reply) and result.tokens:
                raise Refusal(500, STATUS[500])
            return result
        except Refusal as refusal:
            waits = {"Retry-After": f"{fault.seconds:g}"} if refusal.status == 429 else {}
            return Reply(self.error(request.path, refusal), refusal.status, waits)

    def authorized(self, request: Request) -> bool:
        """Return whether the request shows a key."""
        shown = request.token.encode()
        return not self._keys or any(hmac.compare_digest(shown, key) for key in self._keys)

    def accept(self, key: str, *, only: bool) -> None:
        """Take one more key from now on, or that one `only`."""
        self._keys = [*([] if only else self._keys), key.encode()]
