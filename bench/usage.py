"""What `llmrack usage` costs on a gateway's host, beside copying the log and loading all of it.

``python -m bench.usage`` makes up logs of up to ten million requests (3.5 GB in the folder for
temporary files), runs the program that a host runs, and keeps the figures in ``bench/README.md``.
No host and no root are needed; a minute or two for a million lines and less, five in all.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.figures import keep
from llmrack.observe.requests.on_host import BEGIN, program
from llmrack.observe.requests.usage import SERIES, stamp
from llmrack.shipped.host import usage as host_usage

BEGIN_MARK, END_MARK = "<!-- begin: written by bench.usage -->", "<!-- end -->"
SIZES = (100_000, 1_000_000, 10_000_000)
# A list of ten million would take the memory of a small machine.
MOST_LOADED = 1_000_000
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
PERIOD = timedelta(days=30)
# Lines of a file; about 64 MB, as the gateway puts them aside.
FILE_LINES = 180_000
# Of the process itself: what its parent has does not count.
PEAK = "\nsys.stderr.write(open('/proc/self/status').read())"
LOAD = """
import json, math, pathlib, sys
rows = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("requests*.jsonl")):
    with path.open() as lines:
        rows += [json.loads(line) for line in lines]
groups = {}
for row in rows:
    groups.setdefault(row["model"], []).append(row)
for name, its in groups.items():
    times = sorted(row["duration"] for row in its if not row["error"])
    tokens = sum(row["output_tokens"] for row in its)
    print(name, len(its), tokens, [times[math.ceil(p * len(times)) - 1] for p in (.5, .95, .99)])
"""


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds, peak of the memory and what crosses the network, in MB (10^6)."""

    seconds: float
    memory: float
    wire: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s | {self.memory:.0f} MB | {self.wire:,.2f} MB"


def write(folder: Path, size: int) -> float:
    """Make up logs of PERIOD; their bytes in MB."""
    chance = random.Random(6)
    tails = [_tail(chance) for _ in range(5000)]
    begin = UNTIL - PERIOD
    for first in range(0, size, FILE_LINES):
        last = min(first + FILE_LINES, size)
        until = stamp(begin + PERIOD * last / size).replace("-", "").replace(":", "")
        name = "requests" if last == size else f"requests-{until}"
        with (folder / f"{name}.jsonl").open("w") as file:
            for number in range(first, last):
                moment = stamp(begin + PERIOD * number / size)
                file.write(f'{{"time":"{moment}",{tails[number % len(tails)]}\n')
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def _tail(chance: random.Random) -> str:
    """Everything of a line after its time: one in fifty fails, one in twenty falls back."""
    model = chance.choice(["llama3.1:latest", "gpt-oss:20b", "coder", "balanced"])
    failed, took = chance.random() < 0.02, chance.lognormvariate(0.5, 1)
    fell = not failed and chance.random() < 0.05
    attempt = {"instance": "box2", "model": model, "error": "connection", "seconds": 0.031}
    line = {
        "id": f"{chance.getrandbits(128):032x}",
        "key": chance.choice(["alice", "bob", "chat", "ci"]),
        "model": model,
        "served": None if failed else model,
        "instance": None if failed else chance.choice(["box1", "box2", "box3"]),
        "provider": None if failed else "local",
        "position": None if failed else int(fell),
        "attempts": [attempt] if failed or fell else [],
        "stream": True,
        "status": 502 if failed else 200,
        "error": "connection" if failed else None,
        "input_tokens": chance.randrange(10, 4000),
        "output_tokens": chance.randrange(1, 900),
        "first_token": None if failed else round(took / 8, 3),
        "duration": round(took, 3),
        "tokens_per_second": None if failed else round(chance.uniform(20, 90), 1),
        "cost": 0.0,
    }
    return json.dumps(line, separators=(",", ":"))[1:]


def usage(folder: Path, last: timedelta) -> Cost:
    """The program of `llmrack usage`; what is sent there counts, too."""
    asked = {"since": stamp(UNTIL - last), "until": stamp(UNTIL), "parts": SERIES}
    told = program(host_usage, folder=str(folder), bys=["model"], **asked)
    return _run([sys.executable, "-I", "-c", BEGIN + PEAK], told)


def load(folder: Path, size: float) -> Cost:
    """The same figures with all lines in memory, after all of them were copied."""
    cost = _run([sys.executable, "-I", "-c", LOAD + PEAK, str(folder)], "")
    return Cost(cost.seconds, cost.memory, size)


def _run(command: Sequence[str], given: str) -> Cost:
    started = time.perf_counter()
    ran = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    peak = re.search(r"VmHWM:\s+(\d+) kB", ran.stderr)
    assert peak, ran.stderr
    return Cost(seconds, int(peak[1]) * 1024 / 1e6, (len(given) + len(ran.stdout)) / 1e6)


def rows(size: int) -> list[str]:
    """Lines of the table for logs of one size."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        bytes_ = write(folder, size)
        whole, day = usage(folder, PERIOD), usage(folder, timedelta(days=1))
        loaded = load(folder, bytes_) if size <= MOST_LOADED else None
    what = f"{size:,} lines, {bytes_:,.0f} MB"
    found = [f"| {what} | usage | {whole} | {1e6 * whole.seconds / size:.1f} |"]
    found.append(f"| | usage, last day of 30 | {day} | |")
    if loaded:
        found.append(f"| | copied and loaded | {loaded} | {1e6 * loaded.seconds / size:.1f} |")
        parts = (
            f"{getattr(loaded, part) / getattr(whole, part):.1f}"
            for part in ("seconds", "memory", "wire")
        )
        found.append(f"| | *times as much as usage* | {' | '.join(parts)} | |")
    click.echo("\n".join(found))
    return found


def main() -> None:
    """Measure, print the table and keep it in the README."""
    said = (
        f"Python {sys.version.split()[0]}, one process, {os.cpu_count()} cores; load "
        f"before {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d')}."
    )
    head = "| log of 30 days | | time | memory | over the network | µs a line |"
    lines = [line for size in SIZES for line in rows(size)]
    text = "\n".join([said, "", head, "|---|---|---|---|---|---|", *lines])
    keep(text, BEGIN_MARK, END_MARK)


if __name__ == "__main__":
    main()
