"""A chat asked of a gateway, and what came of it as its client sees it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import httpx

# What clients say, and how every answer of a provider's stand-in begins and ends.
WORDS = "Say hello."
BEGIN, END = "[", "whatever they ask."


@dataclass(frozen=True)
class Outcome:
    """What a client got.

    + seconds: until its end
    + first: seconds until its first token; of a plain answer, until its end; None: none came
    + text: all that came
    + error: what it says instead of an answer, or after a part of one; empty where there is none
    + status: HTTP status
    + by: the deployment that answered, as LiteLLM says in its headers
    """

    seconds: float
    first: float | None
    text: str
    error: str
    status: int = 200
    by: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is all of one answer, and nothing else."""
        one = self.text.startswith(BEGIN) and self.text.count(BEGIN) == 1
        return not self.error and one and self.text.endswith(END)

    @property
    def false(self) -> bool:
        """Whether it passes for a whole answer, and is a part of one, or parts of two."""
        return not self.error and not self.whole


def ask(client: httpx.Client, model: str, stream: bool, **body: Any) -> Outcome:  # noqa: ANN401  (JSON)
    """Ask once; ``client`` knows the gateway's address and key."""
    messages = [{"role": "user", "content": WORDS}]
    request = {"model": model, "messages": messages, "stream": stream, **body}
    began = time.monotonic()
    text, error, finished, first = "", "", False, None
    with client.stream("POST", "/v1/chat/completions", json=request) as response:
        by = response.headers.get("x-litellm-model-id", "")
        if response.status_code != 200:
            error = response.read().decode(errors="replace")
            seconds = time.monotonic() - began
            return Outcome(seconds, None, "", error, response.status_code, by)
        try:
            for line in response.iter_lines() if stream else [response.read().decode()]:
                found = _json(line)
                if "error" in found:
                    error = json.dumps(found["error"])
                for choice in found.get("choices", []):
                    said = choice.get("delta") or choice.get("message") or {}
                    text += said.get("content") or ""
                    finished = finished or bool(choice.get("finish_reason"))
                if text and first is None:
                    first = time.monotonic() - began
        except httpx.TransportError as broken:
            error = type(broken).__name__
    if not error and not finished:
        # The OpenAI SDK does not mind, so it counts as an answer.
        text += " (no finish_reason)"
    return Outcome(time.monotonic() - began, first, text, error, 200, by)


def _json(line: str) -> dict[str, Any]:
    data = line.removeprefix("data: ")
    found = json.loads(data) if data.startswith("{") else {}
    assert isinstance(found, dict)
    return found
