"""What became of each request on its way from instance to instance, for the log of requests."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from ..requests.refusals import Refusal
from .blame import kind, status
from .health import Deployment

# Requests that are remembered at most: one of which nobody hears any more is forgotten.
MOST = 10_000


@dataclass
class Trail:
    """A request's way.

    + model: the name that the client asks for
    + failed: its attempts that failed, in their order, as the log has them
    + answered: who answers it
    + first: monotonic time of the answer's first token, where that was seen
    + parts: of the answer, where the stack declares that answers are kept
    + refusals: why it was refused, by each declared model that did
    + final: the refusal that it goes no further after
    + chosen: whether anybody was chosen to answer it; asked: whether anybody was asked
    + no_tools: types of tools that were left out
    + left_out: parameters that were left out for who answers
    + noted: whether the log has it
    """

    model: str | None = None
    failed: list[dict[str, Any]] = field(default_factory=list)
    answered: Deployment | None = None
    first: float | None = None
    parts: list[str] = field(default_factory=list)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    final: Refusal | None = None
    chosen: bool = False
    asked: bool = False
    no_tools: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    noted: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """What clients are told: does the answer come from the house, and what was left out."""
        if self.answered is None:
            return {}
        shown = {"x-llmrack-served": self.answered.rules.place}
        if left_out := [*self.no_tools, *self.left_out]:
            shown["x-llmrack-left-out"] = ", ".join(left_out)
        return shown

    def fail(self, deployment: Deployment, error: Exception, began: float) -> None:
        """An attempt that began at ``began`` (monotonic time) has failed."""
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
    """Those of the requests under way, by LiteLLM's id."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Trail] = OrderedDict()

    def of(self, kwargs: dict[str, Any]) -> Trail:
        """That of the request which LiteLLM makes with ``kwargs``; the gateway's own have none."""
        call = kwargs.get("litellm_call_id")
        if not isinstance(call, str) or kwargs.get("no-log"):
            return Trail()
        if call not in self._known or self._known[call].noted:
            # A client may give an id of its own, and twice the same one.
            self._known[call] = Trail()
            self._known.move_to_end(call)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return self._known[call]

    def seen(self, call: object) -> Trail:
        """That of a request which may be over."""
        return self._known.get(call, Trail()) if isinstance(call, str) else Trail()

    def take(self, call: object) -> Trail:
        """The whole way of a request that is over, for the log; only once."""
        trail = self._known.get(call) if isinstance(call, str) else None
        if trail is None or trail.noted:
            return Trail()
        trail.noted = True
        return trail


trails = Trails()
