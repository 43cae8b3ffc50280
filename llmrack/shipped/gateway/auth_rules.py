"""What a client's key may do: rules alone, without LiteLLM and without a clock.

keys.json beside this file has an entry for each key, by its SHA-256: its `name`, the `models` that
it may ask for (null: all), `until` when it is valid (null: for ever), its `rpm` (null: no limit),
and whether it counts as the `master` key.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import math
import re
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

MINUTE = 60.0
# The paths that ask a model. Other paths are administration, cost money unasked (/health), or
# show what other clients have stored (files, batches, answers).
ASKED = re.compile(
    r"/(?:v1/|openai/deployments/.+/|engines/.+/)?"
    r"(?:chat/completions|completions|embeddings|responses|messages|messages/count_tokens"
    r"|audio/speech|audio/transcriptions|audio/translations|images/generations|images/edits"
    r"|moderations|rerank)"
)
LISTED = re.compile(r"(?:/v1)?/models(?:/.+)?|(?:/v1)?/model/info")
# The paths that Prometheus asks; Starlette redirects one to the other.
METRICS = ("/metrics", "/metrics/")


class Refused(Exception):
    """Why a request is refused.

    + status: HTTP status
    + reason: for the client, with the way out
    + retry_after: seconds until it may ask again, where that helps
    """

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Key:
    """One key, by its entry in keys.json, and its requests in the last minute."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self.models: list[str] | None = entry["models"]
        self.rpm: int | None = entry["rpm"]
        self.master: bool = entry["master"]
        self._said: str | None = entry["until"]
        self._until = seconds(entry["until"]) if entry["until"] else math.inf
        self._asked: deque[float] = deque()

    def is_good(self, now: float) -> None:
        """Refuse an expired key.

        + now: seconds since 1970
        """
        # The last second counts.
        if int(now) > self._until:
            raise Refused(401, f"the key {self.name} expired at {self._said}; ask for a new one")

    def may_go(self, method: str, path: str) -> bool:
        """Whether a request asks a model; every path that neither asks nor lists models is refused.

        LiteLLM and model_info.py list only the models that the key may ask.
        """
        if method == "POST" and ASKED.fullmatch(path):
            return True
        if method in ("GET", "HEAD") and LISTED.fullmatch(path):
            return False
        raise Refused(
            403,
            f"the key {self.name} is for asking models, and {method} {path} is something else; "
            "the gateway's own key may do it",
        )

    def may_ask(self, names: Iterable[object]) -> None:
        """Refuse models that the key may not ask.

        + names: every model that the request names
        """
        if self.models is None:
            return
        # Without a model LiteLLM may choose one.
        for name in list(names) or [""]:
            # LiteLLM asks several models at once if commas separate their names.
            parts = name.split(",") if isinstance(name, str) else [""]
            if not all(allows(self.models, part.strip()) for part in parts):
                shown = repr(name) if isinstance(name, str) and name else "a model without a name"
                raise Refused(
                    403,
                    f"the key {self.name} may not ask {shown}; it may ask: "
                    + ", ".join(self.models),
                )

    def count(self, now: float) -> None:
        """Count a request; refuse it if the last minute already had as many as are allowed.

        + now: seconds of a monotonic clock
        """
        if self.rpm is None:
            return
        while self._asked and self._asked[0] <= now - MINUTE:
            self._asked.popleft()
        if len(self._asked) >= self.rpm:
            wait = max(1, math.ceil(self._asked[0] + MINUTE - now))
            raise Refused(
                429,
                f"the key {self.name} may make {self.rpm} requests a minute; wait {wait} s",
                wait,
            )
        self._asked.append(now)


def allows(models: Iterable[str], name: str) -> bool:
    """Whether a name is one of ``models``, some of which may stand for many by * at their end."""
    return any(
        name.startswith(model[:-1]) if model.endswith("*") else name == model for model in models
    )


def metrics_key(master: str) -> str:
    """The key for /metrics, which Prometheus sends; it is derived from the master key.

    llmrack/components/monitor/monitor.py derives the same key for the hosts that run Prometheus.
    """
    return hmac.new(master.encode(), b"llmrack /metrics", hashlib.sha256).hexdigest()


def seconds(text: str) -> int:
    """Seconds since 1970 of a time such as 2026-11-21T12:00:00Z."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
