"""The state of instances: which ones rest after a failure, why, and when they are asked again.

A watched instance is asked for a sign of life each second while it is in use. After a failure it is
used again when it has answered a short request of the gateway's own, so that no client's request
has to try. An instance that is not watched (a paid provider) rests for a fixed time; then a single
request tries it.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from ..requests.rules import Rules

LOG = logging.getLogger("llmrack")
LOG.setLevel(logging.INFO)
# Apart from LiteLLM's, which has its own idea of levels and form.
LOG.propagate = False
LOG.addHandler(logging.StreamHandler(sys.stderr))

# Seconds from one sign of life to the next, and until one is missed.
INTERVAL = 1.0
SIGN_TIMEOUT = 1.0
# Missed signs until a silent instance counts as lost. A busy one may be slow to answer.
SILENT = 3
# Seconds after the last request in which an instance counts as in use. Others are left alone: the
# engines note each sign of life in their logs.
IN_USE = 30.0
# Seconds between looks at what is loaded.
LOADED_EVERY = 5.0
# Most seconds from a failure to its proof, if failures go on in spite of proofs.
LONGEST_DOUBT = 10.0
# Seconds for which a measured pace holds, and share of a new measurement in it.
PACE_HOLDS, PACE_SHARE = 60.0, 0.3
# Seconds for which a model that answered counts as loaded. Ollama's own default is five minutes.
ANSWERED_HOLDS = 240.0


@dataclass
class Rest:
    """Why an instance or a model is not asked, and until when.

    + until: monotonic time; it is not tried before
    + why: the cause, for the log
    + proof: sends a short request that a watched instance must answer first; None: a sign of life
      is enough
    + since: monotonic time
    + pause: seconds from a failed proof to the next
    + trying: monotonic time until which the gateway itself, or one request, tries it
    """

    until: float
    why: str
    proof: Callable[[], Awaitable[None]] | None = None
    since: float = field(default_factory=time.monotonic)
    pause: float = INTERVAL
    trying: float = 0.0

    def may_be_tried(self, now: float) -> bool:
        """Whether it is time to try again, and nothing tries already."""
        return now >= self.until and now >= self.trying


@dataclass(kw_only=True)
class Resting:
    """An instance or a model, which is put aside when it fails.

    + rest: its rest, while it is put aside
    + doubt: seconds from its next failure to a proof, if it has answered only proofs since the last
    + changed: is called when it begins to rest, or wakes
    + noted: is called then, too, with the fields for the log of events
    """

    rest: Rest | None = None
    doubt: float = 0.0
    changed: Callable[[], None] = lambda: None
    noted: Callable[..., None] = lambda **_: None

    def put_aside(self, rest: Rest, name: str) -> None:
        """Begin to rest, or rest longer.

        + name: its name in the log
        """
        present = self.rest
        if self.doubt:
            rest.until = max(rest.until, rest.since + self.doubt)
        if present is None:
            LOG.warning("%s is put aside: %s", name, rest.why)
            self.noted(event="aside", why=rest.why)
            rest.pause = max(rest.pause, self.doubt)
            self.rest = rest
            self.changed()
            return
        # The present rest is changed, not replaced: a request may be trying it.
        finite = present.until < math.inf
        present.until = max(present.until, rest.until) if finite else rest.until
        present.why, present.proof = rest.why, rest.proof

    def wake(self, name: str) -> None:
        """End the rest, if there is one: it has answered.

        + name: its name in the log
        """
        self.doubt = 0.0
        if self.rest:
            rested = time.monotonic() - self.rest.since
            LOG.info("%s is back after %.1f s", name, rested)
            self.noted(event="back", seconds=round(rested, 1))
            self.doubt = min(self.rest.pause * 2, LONGEST_DOUBT)
            self.rest = None
            self.changed()


@dataclass
class Model(Resting):
    """A model on an instance.

    + running: requests that wait for it or are answered
    + answered: monotonic time of its last answer
    + pace: seconds a token; None: not measured yet
    + measured: monotonic time of the last measurement
    + loading: whether the gateway has asked the instance to load it
    """

    running: int = 0
    answered: float = -ANSWERED_HOLDS
    pace: float | None = None
    measured: float = 0.0
    loading: bool = False

    def measure(self, seconds: float, tokens: int) -> None:
        """Note the seconds and tokens of an answer."""
        now, new = time.monotonic(), seconds / max(tokens, 1)
        old = self.known_pace(now)
        self.pace = new if old is None else old + PACE_SHARE * (new - old)
        self.measured = now

    def known_pace(self, now: float) -> float | None:
        """Seconds a token; None if the measurement is older than PACE_HOLDS."""
        return self.pace if now - self.measured < PACE_HOLDS else None


@dataclass
class Instance(Resting):
    """A server and its state.

    + watched: whether it is asked for signs of life
    + models: those that were asked for, by upstream name
    + used: monotonic time of its last request
    + loaded: names of the models in its memory; None if it does not list them
    + waiting: scopes of the requests that wait for its next token
    + missed: signs of life that it has not given, one after the other
    + drained: whether a deploy is about to restart it (drain.py)
    + absent: whether it has no name now (presence.py)
    """

    name: str
    watched: bool
    models: dict[str, Model] = field(default_factory=dict)
    used: float = 0.0
    loaded: frozenset[str] | None = None
    waiting: set[anyio.CancelScope] = field(default_factory=set)
    missed: int = 0
    drained: bool = False
    absent: bool = False

    def model(self, upstream: str) -> Model:
        """The state of one of its models."""
        if upstream not in self.models:
            noted = partial(self.noted, model=upstream)
            self.models[upstream] = Model(changed=self.changed, noted=noted)
        return self.models[upstream]

    def has_loaded(self, upstream: str, now: float) -> bool | None:
        """Whether a model is in its memory; None if that is not known."""
        if self.loaded is None:
            return None
        model = self.model(upstream)
        if now - model.answered < ANSWERED_HOLDS:
            return True
        # Ollama lists a model as soon as it begins to load it (PsHandler in server/routes.go): if
        # requests wait for a first answer, it may still be loading.
        return _full(upstream) in self.loaded and not model.running

    def see_loaded(self, names: frozenset[str], now: float) -> None:
        """Note the models that it lists; one that it has unloaded has not answered of late."""
        self.loaded = names
        for upstream, model in self.models.items():
            # Not at once: it may list the same weights under another of their names.
            if _full(upstream) not in names and now - model.answered > 2 * LOADED_EVERY:
                model.answered = -ANSWERED_HOLDS

    def can_be_asked(self, upstream: str, now: float) -> bool:
        """Whether neither it nor the model rests, or a request may try whether it is back."""
        return not (self.drained or self.absent) and all(
            rest is None or (not self.watched and rest.may_be_tried(now))
            for rest in (self.rest, self.model(upstream).rest)
        )

    def tried(self, upstream: str, until: float) -> list[Rest]:
        """Let a request alone try it, until its end. Returns the rests that the request tries.

        None for a watched instance, which the gateway's own request tries.
        """
        rests = [rest for rest in (self.rest, self.model(upstream).rest) if rest]
        if self.watched:
            return []
        for rest in rests:
            rest.trying = until
        return rests

    def well(self, upstream: str) -> None:
        """End the rests of the instance and a model: it has answered."""
        model = self.model(upstream)
        self.wake(self.name)
        model.wake(f"{self.name}/{upstream}")
        self.missed = 0
        model.answered = time.monotonic()

    def lost(self) -> None:
        """End the requests that wait for it, and forget what was loaded: it does not run."""
        for scope in list(self.waiting):
            scope.deadline = -math.inf
        if self.loaded is not None:
            self.loaded = frozenset()
        for model in self.models.values():
            model.answered = -ANSWERED_HOLDS


@dataclass
class Deployment:
    """A deployment's entry in routing.json, with its instance.

    + kind: of answers: chat, embedding, transcription, speech, rerank or image
    + client: the client that LiteLLM takes for it: http, openai, azure, or own for LiteLLM's own
    + upstream: the instance's name for the model
    + level: deployments of a lower level are asked first
    + weight: its share among the deployments of its level
    + first_token_timeout, timeout, stream_timeout: seconds
    + served: the declared model
    + place: its place among the members of its tier, from 0 on
    + keeps_answers: whether questions and answers are kept
    + rules: for requests to it
    + params: LiteLLM's own parameters of it; None before its first request
    """

    id: str
    instance: Instance
    upstream: str
    level: int
    weight: float
    kind: str
    client: str
    first_token_timeout: float | None
    timeout: float
    stream_timeout: float
    served: str
    provider: str
    place: int
    keeps_answers: bool
    rules: Rules
    params: dict[str, Any] | None = None

    @property
    def model(self) -> Model:
        """The state of its model."""
        return self.instance.model(self.upstream)

    def can_be_asked(self, now: float) -> bool:
        """Whether it does not rest, and may have one more request."""
        limit = (self.params or {}).get("max_parallel_requests")
        full = limit is not None and self.model.running >= limit
        return not full and self.instance.can_be_asked(self.upstream, now)


def _full(upstream: str) -> str:
    """A model's name as Ollama lists it."""
    return upstream if ":" in upstream.rsplit("/", 1)[-1] else f"{upstream}:latest"
