"""Pulling a model: Ollama does it, we watch that it gets on and insist on its ``success``."""

from __future__ import annotations

import json
import time

import httpx
from pyinfra.api.host import Host

from llmrack.hosts.progress import Meter, say, transfer
from llmrack.hosts.tunnel import http_client
from llmrack.resources.change import Pull

ATTEMPTS = 4


def pull(host: Host, action: Pull) -> str:
    """Pull a model; the reason why it failed, or an empty text.

    Ollama continues a broken pull where it was and retries stalled parts without limit, so the
    deadline on progress is ours (ollama/ollama#1736). A failed pull is HTTP 200 with an error as
    its last line.
    """
    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        with transfer(host, action.model) as meter:
            reason, final = _attempt(host, action, meter)
        if not reason or final:
            return reason
        say(host, f"{action.model}: {reason} (attempt {attempt} of {ATTEMPTS})")
    return f"{reason}; {ATTEMPTS} attempts were made, the next deploy goes on where this one ended"


def _attempt(host: Host, action: Pull, meter: Meter) -> tuple[str, bool]:
    """The reason (empty on success), and whether another attempt is of no use."""
    progress = _Progress(action.stall, meter)
    try:
        with (
            http_client(host, action.url) as client,
            client.stream(
                "POST",
                "/api/pull",
                json={"model": action.model},
                timeout=httpx.Timeout(action.stall),
            ) as response,
        ):
            if response.status_code != 200:
                return f"Ollama answered {response.status_code}: {response.read()!r:.200}", False
            for line in response.iter_lines():
                message = json.loads(line) if line else {}
                if "error" in message:
                    return _explain(action.model, str(message["error"]))
                if message.get("status") == "success":
                    return "", True
                if progress.stalled(message):
                    return f"no progress within {action.stall:.0f} s", False
    except httpx.ReadTimeout:
        return f"no word from Ollama within {action.stall:.0f} s", False
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        return f"the connection to Ollama broke ({error})", False
    return "the pull ended without Ollama's word 'success'", False


def _explain(model: str, error: str) -> tuple[str, bool]:
    if "file does not exist" in error:
        return (
            f"the registry has no model {model!r}: correct its name or tag in stack.yaml "
            "(https://ollama.com/library lists them)",
            True,
        )
    if "no space left" in error:
        return f"Ollama says: {error}", True
    if "digest mismatch" in error:
        return f"what the registry sent is damaged (Ollama says: {error})", False
    return f"Ollama says: {error}", False


class _Progress:
    """Bytes so far over all layers."""

    def __init__(self, stall: float, meter: Meter) -> None:
        self._stall, self._meter = stall, meter
        self._layers: dict[str, tuple[int, int]] = {}
        self._bytes = 0
        self._moved = time.monotonic()

    def stalled(self, message: dict[str, object]) -> bool:
        """Note a message; whether nothing has moved for too long."""
        now = time.monotonic()
        digest, total = message.get("digest"), message.get("total")
        if digest and isinstance(total, int):
            completed = message.get("completed", 0)
            self._layers[str(digest)] = (completed if isinstance(completed, int) else 0, total)
        have = sum(completed for completed, _ in self._layers.values())
        if have != self._bytes or not self._layers or not digest:
            self._bytes, self._moved = have, now
        if self._layers:
            self._meter(have, sum(total for _, total in self._layers.values()))
        return now - self._moved > self._stall
