"""Records each request's attempts and their outcomes, for the log of requests."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from ..requests.refusals import Refusal
from .blame import kind, status
from .health import Deployment

# Most records that are kept; the oldest is dropped.
MOST = 10_000


@dataclass
class Trail:
    """The record of a request.

    + model: the name that the client asks for
    + failed: its failed attempts in their order, in the form of the log
    + answered: the deployment that answers it
    + first: monotonic time of the answer's first token, if that is known
    + parts: of the answer, where the stack declares that answers are kept
    + refusals: the refusal of each declared model that refused it
    + eyes: whether it has images, and a model that can see them was found
    + final: the refusal after which no further model is asked
    + chosen: whether a deployment was chosen; asked: whether one was asked
    + no_tools: types of tools that were left out
    + left_out: parameters that were left out for the deployment that answers
    + noted: whether the log has it
    """

    model: str | None = None
    failed: list[dict[str, Any]] = field(default_factory=list)
    answered: Deployment | None = None
    first: float | None = None
    parts: list[str] = field(default_factory=list)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    eyes: bool = False
    final: Refusal | None = None
    chosen: bool = False
    asked: bool = False
    no_tools: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    noted: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer: whether it comes from the house, and what was left out."""
        if self.answered is None:
            return {}
        shown = {"x-llmrack-served": self.answered.rules.place}
        if left_out := [*self.no_tools, *self.left_out]:
            shown["x-llmrack-left-out"] = ", ".join(left_out)
        return shown

    def fail(self, deployment: Deployment, error: Exception, began: float) -> None:
        """Note a failed attempt.

        + began: monotonic time
        """
        self.answered, self.first, self.parts = None, None, []
        self.failed.append(
            {
                "instance": deployment.instance.name,
                "model": deployment.served,
                "error": kind(error),
                "status": status(error),
                "seconds": round(time.monotonic() - began, 3),
            }
        )


class Trails:
    """The records of the running requests, by LiteLLM's id."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Trail] = OrderedDict()

    def of(self, kwargs: dict[str, Any]) -> Trail:
        """The record of the request that LiteLLM makes with ``kwargs``; the gateway's have none."""
        call = kwargs.get("litellm_call_id")
        if not isinstance(call, str) or kwargs.get("no-log"):
            return Trail()
        if call not in self._known or self._known[call].noted:
            # A client may set the id, and set the same one twice.
            self._known[call] = Trail()
            self._known.move_to_end(call)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return self._known[call]

    def seen(self, call: object) -> Trail:
        """The record of a request that may be over."""
        return self._known.get(call, Trail()) if isinstance(call, str) else Trail()

    def take(self, call: object) -> Trail:
        """The record of a request that is over, for the log; an empty one the second time."""
        trail = self._known.get(call) if isinstance(call, str) else None
        if trail is None or trail.noted:
            return Trail()
        trail.noted = True
        return trail


trails = Trails()
