"""A fleet and a day of requests that never were; always the same."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import starmap
from typing import Any

from llmrack.observe.report.page import Findings
from llmrack.observe.requests.usage import Bucket, Group, Spread, Usage
from llmrack.observe.status.server_status import CardUse, Loaded, ServerStatus, Status
from llmrack.stack.fleet import Fleet
from llmrack.verify.results import Report, Result
from tests.unit.declare import host, stack

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
DAY = timedelta(hours=24)
STACK = stack(
    providers={
        "local": {"kind": "ollama", "group": "gpu"},
        "vllm": {"kind": "vllm", "url": "http://vllm.example.org:8000/v1"},
        "cloud": {"kind": "ollama-cloud", "api_key": "OLLAMA_API_KEY"},
        "office": {"kind": "openai-compatible", "url": "https://office.example.org/v1",
                   "enabled": False},
    },
    models={
        "llama3.1:latest": {"provider": "local", "capabilities": ["chat", "tools"]},
        "llava:latest": {"provider": "local", "capabilities": ["chat", "vision"]},
        "nomic-embed-text:latest": {"provider": "local", "capabilities": ["embedding"]},
        "qwen-coder": {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
        "gpt-oss:120b-cloud": {"provider": "cloud"},
    },
    tiers={"eco": ["llama3.1:latest", "qwen-coder"]},
    aliases={"gpt-4o": "llama3.1:latest"},
    chains={"llama3.1:latest": ["qwen-coder", "gpt-oss:120b-cloud"]},
    default_chain=["gpt-oss:120b-cloud"],
)  # fmt: skip
FLEET = Fleet(
    (
        host("box1", ("gpu", "gateway"), "10.0.0.1", ollama_bind="0.0.0.0"),
        host("box2", ("gpu",), "10.0.0.2", ollama_bind="0.0.0.0"),
        host("box3", ("gpu",), "10.0.0.3", ollama_bind="0.0.0.0"),
    )
)
CARD = CardUse("NVIDIA GeForce RTX 4090", 34, 61, 9830, 24564)


def row(name: str, kind: str, at: str | None, url: str, **more: Any) -> ServerStatus:
    checked = NOW - timedelta(seconds=3)
    usual: dict[str, Any] = {
        "priority": 1,
        "state": "ok",
        "why": "",
        "version": "0.34.4",
        "latency": 0.0042,
    }
    return ServerStatus(
        name, kind, at, url, more.pop("enabled", True), checked=checked, **usual | more
    )


LLAMA = Loaded("llama3.1:latest", 6_442_450_944, 1.0, "2026-11-21T15:45:00Z")
ROWS = (
    row("box1", "gateway", "box1", "http://10.0.0.1:4000", priority=None, version="1.94.0",
        latency=0.031),
    row("box1", "ollama", "box1", "http://127.0.0.1:11434", loaded=(LLAMA,), cards=(CARD,)),
    row("box2", "ollama", "box2", "http://10.0.0.2:11434", state="trouble",
        why="llama3.1:latest fell back to the CPU (38 % on the GPU): free the card's memory, then "
        "`ollama stop llama3.1:latest`",
        loaded=(replace(LLAMA, on_gpu=0.38),), cards=(replace(CARD, use_percent=97,
        temperature=83, used_mib=23950),)),
    row("box3", "ollama", "box3", "http://10.0.0.3:11434", state="unknown", version=None,
        why="no connection: timed out after 10 s; is it switched on?", latency=None),
    row("vllm", "vllm", None, "http://vllm.example.org:8000/v1", version="0.11.0", latency=0.018,
        priority=2),
    row("cloud", "ollama-cloud", None, "https://ollama.com", version=None, latency=0.214,
        priority=3),
    row("office", "openai-compatible", None, "https://office.example.org/v1", enabled=False,
        state="off", version=None, latency=None, priority=3),
)  # fmt: skip
WELL = tuple(
    replace(each, state="ok", why="") if each.state in ("trouble", "unknown") else each
    for each in ROWS
)


def group(name: str, calls: int, slow: float, cost: float = 0.0, **errors: int) -> Group:
    """One of ``calls`` requests; the slower, the longer it takes."""
    return Group(
        name,
        calls,
        {key.replace("_", " "): number for key, number in errors.items()},
        calls // 40,
        calls // 30,
        calls * 812,
        calls * 236,
        cost,
        Spread(slow, slow * 2.6, slow * 4.4),
        Spread(slow / 9, slow / 4, slow / 2.2),
        38 / slow,
    )


GROUPS = {
    "model": (
        group("llama3.1:latest", 8420, 1.31, 0.42, timeout=31, connection=12),
        group("eco", 3107, 1.08),
        group("qwen-coder", 2214, 0.94, rate_limit=9),
        group("gpt-oss:120b-cloud", 1260, 2.87, 7.31, server=4),
        group("llava:latest", 322, 3.4, timeout=2),
        replace(group("nomic-embed-text:latest", 11902, 0.048), first_token=None,
                tokens_per_second=None, output_tokens=0),
    ),
    "provider": (
        group("local", 22871, 0.62, timeout=33, connection=12),
        group("vllm", 2920, 0.97, rate_limit=9),
        group("cloud", 1434, 2.9, 7.73, server=4),
    ),
    "instance": (
        group("box1", 13120, 0.58),
        group("box2", 9751, 1.9, timeout=33, connection=12),
        group("vllm", 2920, 0.97, rate_limit=9),
        group("cloud", 1434, 2.9, 7.73, server=4),
    ),
    "key": (
        group("website", 15022, 0.71, 1.2, timeout=20, rate_limit=9),
        group("search", 9871, 0.31, 0.0, timeout=13),
        group("ci", 1900, 1.4, 6.11, connection=12, server=4),
        group("demo", 432, 1.2, 0.42),
    ),
}  # fmt: skip


def parts(whole: int, weights: list[float]) -> list[int]:
    """``whole`` by weight, to the last one."""
    ends = [round(whole * sum(weights[: at + 1]) / sum(weights)) for at in range(len(weights))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def series(until: datetime, total: Group) -> tuple[Bucket, ...]:
    """A day of 60 parts with its afternoon, a pause at night, and one bad hour."""
    starts = [until - DAY + at * DAY / 60 for at in range(60)]
    hours = [start.hour + start.minute / 60 for start in starts]
    waves = [0.12 + max(0.0, math.sin((hour - 6) / 14 * math.pi)) ** 1.5 for hour in hours]
    asked = [wave + 0.07 * math.sin(at * 2.4) for at, wave in enumerate(waves)]
    asked[27] = asked[28] = 0.0
    bad = [(8.0 if 44 <= at <= 46 else 0.02) * weight for at, weight in enumerate(asked)]
    calls = parts(total.calls, asked)
    columns = (
        calls,
        parts(sum(total.errors.values()), bad),
        parts(total.fallbacks, bad),
        parts(total.input_tokens, asked),
        parts(total.output_tokens, asked),
        [cents / 100_000 for cents in parts(round(total.cost * 100_000), asked)],
    )
    slow = [1.1 + wave + 0.3 * math.cos(at * 1.7) for at, wave in enumerate(waves)]
    p95 = [
        (2.4 if 44 <= at <= 46 else 1) * each if calls[at] else None for at, each in enumerate(slow)
    ]
    return tuple(starmap(Bucket, zip(starts, *columns, p95, strict=True)))


def usages(until: datetime, share: float = 1) -> dict[str, Usage]:
    models = GROUPS["model"]
    classes = Counter[str]()
    for each in models:
        classes.update(each.errors)
    total = Group(
        "total",
        round(share * sum(each.calls for each in models)),
        dict(classes),
        round(share * sum(each.fallbacks for each in models)),
        0,
        round(share * sum(each.input_tokens for each in models)),
        round(share * sum(each.output_tokens for each in models)),
        share**2 * sum(each.cost for each in models),
        Spread(0.51 * share**0.3, 2.16 * share**0.5, 5.4),
        Spread(0.11, 0.42 * share**0.05, 0.9),
        31.0,
    )
    buckets = series(until, total)
    return {
        by: Usage(until - DAY, until, by, groups, total, buckets, 0, {})
        for by, groups in GROUPS.items()
    }


def results() -> tuple[Result, ...]:
    found = [
        Result("box1", "gateway", "health", True, latency=0.012),
        Result("box1", "gateway", "wrong key", True, latency=0.008, detail="401"),
    ]
    for name, at in (("llama3.1:latest", "box1"), ("llama3.1:latest", "box2"),
                     ("qwen-coder", "vllm"), ("gpt-oss:120b-cloud", "cloud")):  # fmt: skip
        found += [
            Result("box1", name, "chat", True, at, 0.81),
            Result("box1", name, "stream", True, at, 1.12, 0.14, 41.7),
        ]
    for name in ("box1", "box2"):
        found += [
            Result(name, "ollama", "version", True, name, 0.003),
            Result(name, "ollama", "models present", True, name, 0.004),
        ]
    return tuple(found)


def findings(*, well: bool = False) -> Findings:
    """The day; or the same with everything well."""
    proof = Report(results(), NOW - timedelta(hours=7, minutes=12))
    found = Findings(
        NOW,
        STACK,
        FLEET,
        Status(WELL if well else ROWS),
        usages(NOW),
        usages(NOW - DAY, 0.88)["model"],
        proof,
    )
    if well:
        return found
    gone = "no connection: timed out"
    failed = Result("box2", "ollama", "resident", False, "box2",
                    detail="llama3.1:latest is 38 % on the GPU: free its memory")  # fmt: skip
    return replace(
        found,
        proof=replace(proof, results=(*proof.results, failed), not_run=("box3: no connection",)),
        usage={by: replace(usage, unreached={"box3": gone}, damaged=3)
               for by, usage in found.usage.items()},
        standins=("vllm",),
    )  # fmt: skip
