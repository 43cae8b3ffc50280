"""Pulling a model: Ollama does it, we watch that it gets on and insist on its ``success``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx
from pyinfra.api.host import Host

from llmrack.remote.tunnel import http_client
from llmrack.resources.change import Pull

ATTEMPTS = 4
# Seconds between two lines about the same pull.
PACE = 2.0


def pull(host: Host, action: Pull, say: Callable[[str], None]) -> str:
    """Pull a model; the reason why it failed, or an empty text.

    Ollama continues a broken pull where it was and retries stalled parts without limit, so the
    deadline on progress is ours (ollama/ollama#1736). A failed pull is HTTP 200 with an error as
    its last line.
    """
    reason = ""
    for attempt in range(1, ATTEMPTS + 1):
        reason, final = _attempt(host, action, say)
        if not reason or final:
            return reason
        say(f"{action.model}: {reason} (attempt {attempt} of {ATTEMPTS})")
    return f"{reason}; {ATTEMPTS} attempts were made, the next deploy goes on where this one ended"


def _attempt(host: Host, action: Pull, say: Callable[[str], None]) -> tuple[str, bool]:
    """The reason (empty on success), and whether another attempt is of no use."""
    progress = _Progress(action, say)
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
        return f"the disk is full ({error}): make room, then deploy again", True
    return f"Ollama says: {error}", False


class _Progress:
    """Bytes so far over all layers, told at a reader's pace."""

    def __init__(self, action: Pull, say: Callable[[str], None]) -> None:
        self._action, self._say = action, say
        self._layers: dict[str, tuple[int, int]] = {}
        self._bytes = 0
        self._started = self._moved = self._told = time.monotonic()

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
        if now - self._told >= PACE and self._layers:
            self._told = now
            self._tell(have, now)
        return now - self._moved > self._action.stall

    def _tell(self, have: int, now: float) -> None:
        whole = sum(total for _, total in self._layers.values()) or 1
        rate = have / max(now - self._started, 0.1)
        left = (whole - have) / rate if rate else 0
        self._say(
            f"{self._action.model}: {have / whole:4.0%} of {whole / 1e6:,.0f} MB, "
            f"{rate / 1e6:,.1f} MB/s, {left:.0f} s left"
        )
