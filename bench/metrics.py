"""What it costs a gateway to count for Prometheus: with the group ``monitor``, and without.

``python -m bench.metrics`` (root; two minutes) puts the same load on both in turns, before one
stand-in instance, as ``bench.gateway`` does, and prints the processor time of a request.
``docs/monitoring.md`` has the figures. No time is asserted; that every request was answered is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click
import httpx

from bench.contenders import INSTANCE, PORT, Deployed, gateway_python
from bench.gateway import INSIDE, WARM_UP
from bench.load import Load, Spoilt, put
from llmrack.components.monitor import metrics_key
from llmrack.secrets.value import Secret

ROOT = Path(__file__).parents[1]
ROUNDS = 3
LOADS = (Load(8, False, 5), Load(8, True, 5))


def measure(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of processor time a request, of each round: by contender, by load."""
    both = [
        Deployed("without", folder / "without"),
        Deployed("monitored", folder / "monitored", monitored=True),
    ]
    found: dict[str, dict[str, list[float]]] = {
        each.name: {load.name: [] for load in LOADS} for each in both
    }
    for _ in range(ROUNDS):
        for each in both:
            with each:
                for load in (*WARM_UP, *LOADS):
                    sample = put(load, each.url, each.headers, each.pids, each.folder)
                    if load in LOADS:
                        found[each.name][load.name].append(sample.cpu_ms)
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
    """Measure, in namespaces of its own."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.Popen([sys.executable, "-m", "bench.instance", str(INSTANCE)], cwd=ROOT)
    with tempfile.TemporaryDirectory(prefix="bench-metrics-") as folder:
        found = measure(Path(folder))
    for load in LOADS:
        # The least: whatever else the machine does can only add to it.
        without, monitored = (min(found[name][load.name]) for name in ("without", "monitored"))
        more = monitored / without - 1
        click.echo(f"{load.name}: {without:.2f} ms without, {monitored:.2f} ms with: {more:+.0%}")


def main() -> None:
    """Get what is measured with the network, then measure without."""
    if INSIDE in sys.argv:
        inside()
        return
    gateway_python()
    apart = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run([*apart, sys.executable, "-m", "bench.metrics", INSIDE], check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    try:
        main()
    except (Spoilt, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
