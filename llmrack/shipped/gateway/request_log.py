"""Writes a line for every request: its key, model, instance, outcome and cost.

A line is JSON (docs/operate.md has its fields). It never holds the question or the answer; for
models that the stack declares so, content.jsonl has both. LLMRACK_REQUEST_LOG names the file
(default: requests.jsonl beside config.yaml); renamed files are kept for LLMRACK_LOG_DAYS.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .litellm_parts import CustomLogger
from .log_file import LogFile
from .release import folder, read_json
from .requests.names import Names
from .routing.trail import Trail, trails

# Characters of a model's name that are noted.
LONGEST = 200
# The status of a request whose client has left (nginx's word).
LEFT = 499
# The fields of a request that are kept if the stack declares that contents are.
CONTENT = ("messages", "prompt", "input", "query", "documents")
PATH = Path(os.environ.get("LLMRACK_REQUEST_LOG") or folder() / "requests.jsonl")
DAYS = float(os.environ.get("LLMRACK_LOG_DAYS") or 30)
# The class of a failure by its status, if no attempt failed.
KINDS = {401: "refused", 403: "refused", 404: "not found", 408: "timeout", 429: "rate limit"}


@dataclass
class Ended:
    """A request that is over, as LiteLLM reports it. Times are in seconds since 1970.

    + call: LiteLLM's id of the request
    + key: the name of the client's key; None: the gateway's own request, or one without a valid key
    + received: the request as the proxy received it, and when
    + model: LiteLLM's name for the model; a client may send anything
    + error: the class of the failure, if that is known already
    + input_tokens, output_tokens: as the provider counts them
    + cost: in dollars
    """

    call: object
    key: str | None
    received: dict[str, Any]
    model: object
    status: int
    error: str | None = None
    begun: float | None = None
    ended: float = field(default_factory=time.time)
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    @property
    def body(self) -> dict[str, Any]:
        """The client's JSON; empty if it is no object."""
        body = self.received.get("body")
        return body if isinstance(body, dict) else {}

    def name(self, trail: Trail) -> str | None:
        """The model's name as the client asked for it, before aliases and chains."""
        model = trail.model or self.body.get("model") or self.model
        return model[:LONGEST] if isinstance(model, str) else None


class RequestLog(CustomLogger):
    """A callback that LiteLLM calls for every request that is over."""

    def __init__(self, declared: dict[str, Any]) -> None:
        super().__init__()
        self._groups: dict[str, dict[str, Any]] = declared["groups"]
        self._meant = Names(declared["groups"], declared["aliases"])
        self._names = {
            deployment: name
            for name, group in self._groups.items()
            for deployment in group["deployments"]
        }
        self._lines = LogFile(PATH, DAYS)
        self._contents: LogFile | None = None

    async def async_log_success_event(
        self,
        kwargs: dict[str, Any],
        response_obj: Any,  # noqa: ANN401  (LiteLLM's interface)
        start_time: datetime,
        end_time: datetime,
    ) -> None:
        """Note a request that was answered, or whose client has disconnected."""
        logged = kwargs.get("standard_logging_object") or {}
        params = kwargs.get("litellm_params") or {}
        left = (params.get("metadata") or {}).get("client_disconnected")
        self._note(
            Ended(
                logged.get("litellm_call_id"),
                (logged.get("metadata") or {}).get("user_api_key_alias"),
                params.get("proxy_server_request") or {},
                logged.get("model_group"),
                LEFT if left else 200,
                begun=start_time.timestamp(),
                ended=end_time.timestamp(),
                input_tokens=logged.get("prompt_tokens") or 0,
                output_tokens=logged.get("completion_tokens") or 0,
                cost=logged.get("response_cost") or 0.0,
            )
        )

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,
        user_api_key_dict: Any,  # noqa: ANN401  (LiteLLM's interface)
        traceback_str: str | None = None,
    ) -> None:
        """Note a request that was refused, or that no instance could answer."""
        # auth.py refuses before LiteLLM knows the key's name.
        refused = getattr(original_exception, "refused", False)
        status = str(
            getattr(original_exception, "status_code", None)
            or getattr(original_exception, "code", None)
        )
        self._note(
            Ended(
                request_data.get("litellm_call_id"),
                user_api_key_dict.key_alias or getattr(original_exception, "key_alias", None),
                request_data.get("proxy_server_request") or {},
                request_data.get("model"),
                int(status) if status.isdigit() else 500,
                error="refused" if refused else None,
            )
        )

    def _note(self, request: Ended) -> None:
        """Write a request's line; none for an unknown key, which could fill the disk."""
        trail = trails.take(request.call)
        if not request.key:
            return
        model, answered = request.name(trail), trail.answered
        begun = request.received.get("arrival_time") or request.begun or request.ended
        first = None
        if trail.first is not None:
            # Converted from the monotonic clock.
            first = trail.first - time.monotonic() + time.time()
        line = {
            "id": request.call,
            "key": request.key,
            "model": model,
            "served": answered.served if answered else None,
            "instance": answered.instance.name if answered else None,
            "provider": answered.provider if answered else None,
            "place": answered.rules.place if answered else None,
            "position": self._position(model, trail),
            "attempts": trail.failed,
            "stream": bool(request.body.get("stream")),
            "status": request.status,
            "error": request.error or _kind(trail, request.status),
            "input_tokens": request.input_tokens,
            "output_tokens": request.output_tokens,
            "first_token": round(first - begun, 3) if first else None,
            "duration": round(request.ended - begun, 3),
            "tokens_per_second": _pace(request.output_tokens, first, request.ended),
            "cost": round(request.cost, 9),
        }
        self._lines.add(**line)
        if answered and answered.keeps_answers:
            self._keep(request, model, trail)
            trail.parts = []

    def _position(self, model: str | None, trail: Trail) -> int | None:
        """0 if the model that was asked for answered, else the place in the tier or the chain."""
        if trail.answered is None:
            return None
        asked = self._meant.meant(model or "")
        name = self._names[trail.answered.id]
        if name == asked or asked not in self._groups:
            # A wildcard's name has no chain.
            return trail.answered.place
        chain: list[str] = self._groups[asked]["chain"]
        # A client may name fallbacks of its own.
        return chain.index(name) + 1 if name in chain else len(chain) + 1

    def _keep(self, request: Ended, model: str | None, trail: Trail) -> None:
        """Write the question and the answer into content.jsonl."""
        if self._contents is None:
            self._contents = LogFile(PATH.with_name("content.jsonl"), DAYS)
        asked = {name: request.body[name] for name in CONTENT if name in request.body}
        self._contents.add(
            id=request.call,
            key=request.key,
            model=model,
            asked=asked,
            answer="".join(trail.parts),
        )


def _kind(trail: Trail, status: int) -> str | None:
    """The class of a failure; None if the request was answered."""
    if status == 200:
        return None
    if status == LEFT:
        return "left"
    if trail.failed:
        return str(trail.failed[-1]["error"])
    return KINDS.get(status, "server" if status >= 500 else "request")


def _pace(tokens: int, first: float | None, ended: float) -> float | None:
    """Tokens a second from the first one on."""
    if first is None or tokens < 2 or ended <= first:
        return None
    return round((tokens - 1) / (ended - first), 1)


callback = RequestLog(read_json("routing.json"))
