"""What a stand-in can be told to do wrong: the same for Ollama's and for the providers'.

A fault lasts until the next one; ``ok`` ends it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from .errors import ApiError
from .types import JsonObject

Part = TypeVar("Part")
Only = Literal["all", "inference"]

STATUS = {
    401: "unauthorized",
    403: "forbidden",
    429: "too many requests",
    500: "internal server error",
    503: "service unavailable",
}
# The keys that each mode takes beside model and only, with what they are when left out.
MODES: dict[str, dict[str, float]] = {
    "ok": {},
    "refuse": {},
    "hang": {"after": 0},
    **{str(status): {} for status in STATUS},
    "429": {"seconds": 2},
    "missing": {},
    "cut": {"after": 3},
    "reset": {"after": 3},
    "truncate": {"after": 3},
    "error": {"after": 3},
    "slow": {"seconds": 0.4},
    "load": {"seconds": 60},
}
"""What each stand-in can do wrong."""
OLLAMA_MODES: dict[str, dict[str, float]] = {**MODES, "endless": {}, "ignore-sigterm": {}}
"""What the stand-in of Ollama, which runs on a host, can do wrong."""
_WHOLE_SERVER = ("ok", "refuse", "ignore-sigterm")
_LOOK_S = 0.1


class Broken(Exception):
    """The connection is to be ended in the middle of an answer."""

    def __init__(self, *, reset: bool) -> None:
        """Set ``reset`` for TCP's RST; the end of what was sent otherwise."""
        super().__init__()
        self.reset = reset


@dataclass(frozen=True)
class Fault:
    """What is wrong at present.

    + mode: one of OLLAMA_MODES; docs/lab.md says what each does
    + model: the only model that it is about; None: all
    + only: whether it is about all paths, or about those where a model has to work
    + after: parts of a stream that still get through
    + seconds: from one token to the next (``slow``), of loading (``load``), Retry-After (``429``)
    """

    mode: str = "ok"
    model: str | None = None
    only: Only = "all"
    after: int = 0
    seconds: float = 0

    @classmethod
    def parse(
        cls, body: JsonObject | None, only: Only, modes: dict[str, dict[str, float]] = MODES
    ) -> Fault:
        """Read ``{"mode": ..., ...}``.

        Args:
            body: what was sent.
            only: what holds where it says nothing of that.
            modes: those that there are.

        Raises:
            ValueError: there is no such mode, or the mode has no such key; with the way out.
        """
        given = dict(body or {})
        mode = given.pop("mode", None)
        if mode not in modes:
            raise ValueError(f"unknown mode {mode!r}: use one of {', '.join(modes)}")
        known = modes[mode] if mode in _WHOLE_SERVER else {"model": 0, "only": 0, **modes[mode]}
        if unknown := given.keys() - known:
            uses = f"use {', '.join(known)}" if known else "leave it out"
            raise ValueError(f"{mode} knows no {min(unknown)!r}: {uses}")
        model, only = given.get("model"), given.get("only", only)
        if model is not None and not isinstance(model, str):
            raise ValueError("model is the name of a model")
        if only not in ("all", "inference"):
            raise ValueError("only is 'all' or 'inference'")
        numbers = {key: given.get(key, default) for key, default in modes[mode].items()}
        for key, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{key} is a number, 0 or more")
        after = numbers.get("after", 0)
        if after != int(after):
            raise ValueError("after is a number of chunks: a whole one")
        return cls(mode, model, only, int(after), numbers.get("seconds", 0))

    @property
    def status(self) -> int | None:
        """The HTTP status that is all of the answer."""
        return int(self.mode) if self.mode.isdigit() else None

    def strikes(self, model: str | None, *, inference: bool) -> bool:
        """Whether a request is to feel it."""
        if self.model is not None and full_name(model or "") != full_name(self.model):
            return False
        return inference or self.only == "all"


NO_FAULT = Fault()


class Faults:
    """The present fault; safe to use from many threads."""

    def __init__(self) -> None:
        self._present = NO_FAULT
        self._changed = threading.Condition()

    @property
    def present(self) -> Fault:
        """The fault shown at present; setting one wakes what waits."""
        return self._present

    @present.setter
    def present(self, fault: Fault) -> None:
        with self._changed:
            self._present = fault
            self._changed.notify_all()

    def striking(self, model: str | None, *, inference: bool) -> Fault:
        """The present fault, as a request feels it."""
        fault = self._present
        return fault if fault.strikes(model, inference=inference) else NO_FAULT

    def wait(
        self, fault: Fault, client_left: Callable[[], bool], seconds: float = math.inf
    ) -> None:
        """Wait so long, or until ``fault`` has ended.

        Raises:
            ConnectionError: the client has left.
        """
        end = time.monotonic() + seconds
        with self._changed:
            while self._present is fault and (left := end - time.monotonic()) > 0:
                if client_left():
                    raise ConnectionError("client has left")
                self._changed.wait(min(left, _LOOK_S))

    def stream(
        self, fault: Fault, parts: Iterator[Part], client_left: Callable[[], bool]
    ) -> Iterator[Part]:
        """The parts of an answer as the fault lets them through.

        Raises:
            Broken: the connection is to be ended.
            ApiError: 500, in mid-stream.
            ConnectionError: the client has left.
        """
        for number, part in enumerate(parts):
            if number == fault.after:
                if fault.mode == "hang":
                    self.wait(fault, client_left)
                elif fault.mode in ("cut", "reset"):
                    raise Broken(reset=fault.mode == "reset")
                elif fault.mode == "error":
                    raise ApiError(500, "the model stopped working (a fault that was set)")
                elif fault.mode == "truncate":
                    return
            yield part


def full_name(model: str) -> str:
    """A model's name with its tag: Ollama takes ``llama3.2`` for ``llama3.2:latest``."""
    return model if ":" in model.rsplit("/", 1)[-1] else f"{model}:latest"
