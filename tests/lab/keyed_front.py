"""A gateway on loopback that knows clients' keys."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from llmrack.site.client_keys import ExtraKey, client_keys
from llmrack.stack.keys import IssuedKey
from llmrack.stack.schema import Stack
from llmrack_lab.standins.ollama.faults import Fault
from tests.lab.front import Front, breakable, provider

TODAY = datetime.now(UTC).date()
ALL = ("chat", "backed", "backup", "vector", "either", "other")
DECLARED: dict[str, dict[str, Any]] = {
    "everything": {},
    "chatty": {"models": ["chat", "either", "vector"]},
    "failing": {"models": ["backed"]},
    "aliased": {"models": ["short"]},
    "wild": {"models": ["any/*"]},
    "hurried": {"rpm": 2},
    "today": {"expires": TODAY},
    "late": {"expires": TODAY - timedelta(days=1)},
    "revoked": {},
}
SPOKEN = {"messages": [{"role": "user", "content": "Say hello."}]}


def key(name: str) -> str:
    return f"sk-llmrack-of-{name}"


def issued(names: list[str]) -> dict[str, IssuedKey]:
    return {
        name: IssuedKey(sha256=hashed(key(name)), issued="2026-01-01T00:00:00Z") for name in names
    }


def hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def at(when: timedelta) -> str:
    return (datetime.now(UTC) + when).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def keyed_front(python: Path, folder: Path) -> Iterator[Front]:
    """A gateway with these keys, and models of every kind."""
    with contextlib.ExitStack() as opened:
        good, bad, cut, slow = (opened.enter_context(breakable("vllm")) for _ in range(4))
        attic = opened.enter_context(breakable("ollama-remote"))
        bad.fail("500")
        cut.fail("cut")
        slow.show(Fault("slow", seconds=0.3))
        stack = {
            "providers": {
                "good": provider("vllm", good),
                # Asked again by a client's request when it has rested.
                "bad": provider("vllm", bad, health_check=False),
                "cut": provider("vllm", cut),
                "slow": provider("vllm", slow),
                "attic": provider("ollama-remote", attic),
            },
            "models": {
                "chat": {"provider": "good", "model": "m"},
                "other": {"provider": "good", "model": "other"},
                "backed": {"provider": "bad", "model": "m"},
                "backup": {"provider": "good", "model": "m"},
                "vector": {"provider": "good", "model": "embed", "capabilities": ["embedding"]},
                "attic": {"provider": "attic", "model": "m"},
                "brittle": {"provider": "cut", "model": "m"},
                "endless": {"provider": "slow", "model": "m"},
                "priced": {"provider": "good", "model": "m", "price": {"input": 2, "output": 8}},
                "recorded": {"provider": "good", "model": "m", "log_content": True},
                "any/*": {"provider": "good"},
            },
            "tiers": {"either": ["chat", "other"], "second": ["backed", "chat"]},
            "mixes": {"split": {"chat": 1, "other": 1}},
            "aliases": {"short": "chat"},
            "chains": {"backed": ["backup"]},
            "keys": DECLARED,
        }
        known = client_keys(
            Stack.model_validate(stack),
            issued([name for name in DECLARED if name != "revoked"]),
            [
                ExtraKey("previous master", hashed(key("previous")), at(timedelta(hours=1))),
                ExtraKey("former master", hashed(key("former")), at(-timedelta(seconds=2))),
            ],
        )
        yield opened.enter_context(Front(python, folder, stack, client_keys=known))


def ask(front: Front, name: str, path: str = "/v1/chat/completions", **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key(name)}"}
    return front.process.client.post(path, headers=headers, json=SPOKEN | body)
