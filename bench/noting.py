"""What it costs a gateway to note each request, and to count it for Prometheus, too.

``python -m bench.noting`` (root; three minutes) puts the same load in turns on a gateway without
its log of requests, on one as deployed and on one with the group ``monitor``, before one stand-in
instance, as ``bench.gateway`` does. ``bench/README.md`` has the figures. No time is asserted; that
every request was answered is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click
import httpx

from bench import apart
from bench.contenders import INSTANCE, PORT, Deployed
from bench.gateway import WARM_UP
from bench.gateway_python import gateway_python
from bench.load import Load, Sample, put
from llmrack.components.monitor.monitor import metrics_key
from llmrack.secrets.value import Secret

ROOT = Path(__file__).parents[1]
ROUNDS = 3
LOADS = (Load(8, False, 5), Load(8, True, 5))


def measure(folder: Path) -> dict[str, dict[str, list[Sample]]]:
    """What came of each round: by contender, by load."""
    every = [
        Deployed("no log of requests", folder / "unlogged", logged=False),
        Deployed("as deployed", folder / "deployed"),
        Deployed("and Prometheus", folder / "monitored", monitored=True),
    ]
    found: dict[str, dict[str, list[Sample]]] = {
        each.name: {load.name: [] for load in LOADS} for each in every
    }
    for _ in range(ROUNDS):
        for each in every:
            with each:
                for load in (*WARM_UP, *LOADS):
                    sample = put(load, each.url, each.headers, each.pids, each.folder)
                    if load in LOADS:
                        found[each.name][load.name].append(sample)
                if each.monitored:
                    page(each.headers["Authorization"].removeprefix("Bearer "))
    return found


def page(master: str) -> None:
    """Say how large the page is that Prometheus gets."""
    key = metrics_key(Secret(master)).reveal()
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.get(f"http://127.0.0.1:{PORT}/metrics/", headers=headers, timeout=30)
    answer.raise_for_status()
    took = answer.elapsed.total_seconds() * 1000
    click.echo(f"/metrics: {len(answer.content) / 1000:.0f} kB in {took:.0f} ms")


def inside() -> None:
    """Measure, and print the tables."""
    subprocess.Popen([sys.executable, "-m", "bench.instance", str(INSTANCE)], cwd=ROOT)
    with tempfile.TemporaryDirectory(prefix="bench-noting-") as folder:
        found = measure(Path(folder))
    for load in LOADS:
        click.echo(
            f"| {load.name} | req/s | p99 | processor time a request | |\n|---|---|---|---|---|"
        )
        least = 0.0
        for name, samples in found.items():
            # Of all rounds: whatever else the machine does can only add to a time.
            rounds = samples[load.name]
            rate, p99 = max(s.rate for s in rounds), min(s.p99_ms for s in rounds)
            cpu = min(s.cpu_ms for s in rounds)
            least = least or cpu
            more = f"{cpu / least - 1:+.0%}" if cpu != least else ""
            click.echo(f"| {name} | {rate:.1f} | {p99:.0f} ms | {cpu:.2f} ms | {more} |")


if __name__ == "__main__":
    apart.run("bench.noting", gateway_python, inside)
