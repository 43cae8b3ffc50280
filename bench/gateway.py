"""What a gateway costs: LiteLLM with its defaults, as deployed, with more processes, and a peer.

``python -m bench.gateway`` (root; about five minutes) puts the same load on each of them in turns,
before one stand-in instance, and on the instance itself. It prints tables of ratios, writes them
into ``bench/README.md`` and the figures themselves into ``bench/gateway.json``. All of it runs in a
network and a process namespace of its own: no port is taken, and nothing is left. That every
request was answered is asserted, no time is.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench import apart
from bench.contenders import INSTANCE, Contender, contenders, portkey
from bench.figures import keep, keep_all
from bench.gateway_python import LOCK, gateway_python
from bench.load import Load, Sample, Spoilt, put
from llmrack.site.locks import litellm_version

ROOT = Path(__file__).parents[1]
FIGURES = Path(__file__).with_suffix(".json")
BEGIN, END = "<!-- begin: written by bench.gateway -->", "<!-- end -->"
# Command → the Debian package that brings it.
PACKAGES = {"wrk": "wrk", "npm": "npm", "ip": "iproute2", "unshare": "util-linux"}

ROUNDS = 3
WARM_UP = (Load(4, False, 1), Load(4, True, 1))
ONE, MANY, STREAMS = Load(1, False, 1), Load(32, False, 2), Load(32, True, 3)
# The most clients last: what they leave behind burdens nobody.
LOADS = (ONE, MANY, STREAMS, Load(256, False, 4))


@dataclass(frozen=True)
class Turn:
    """What came of one contender in one round.

    + ready_s: seconds from its start to its first answer
    + idle_mb: megabytes of memory before any load
    + samples: by the load's name
    """

    ready_s: float
    idle_mb: float
    samples: dict[str, Sample]


Rounds = dict[str, list[Turn]]
Figure = Callable[[Turn], float]


def measure(everybody: Sequence[Contender], loads: Sequence[Load], rounds: int) -> Rounds:
    """All turns of each contender, by its name; in turns: A B C A B C …"""
    found: Rounds = {each.name: [] for each in everybody}
    for number in range(rounds):
        for each in everybody:
            with each:
                for load in WARM_UP:
                    put(load, each.url, each.headers, each.pids, each.folder)
                samples = {
                    load.name: put(load, each.url, each.headers, each.pids, each.folder)
                    for load in loads
                }
            found[each.name].append(Turn(each.ready_s, each.idle_mb, samples))
            rates = ", ".join(f"{sample.rate:.0f}" for sample in samples.values())
            click.echo(f"{number + 1} of {rounds}, {each.name}: {rates} answers/s")
    return found


def tables(found: Rounds) -> str:
    """Ratios to LiteLLM with its defaults in the same round, the median of all rounds."""
    direct, base = list(found)[:2]

    def row(name: str, groups: Sequence[Sequence[Figure]]) -> str:
        cells = []
        for group in groups:
            values = [
                statistics.median(
                    figure(turn) / figure(other)
                    for turn, other in zip(found[name], found[base], strict=True)
                )
                for figure in group
            ]
            cells.append(" · ".join(map(_short, values)))
        return f"| {name} | {' | '.join(cells)} |"

    def added(turn: Turn) -> float:
        """Milliseconds that an answer takes longer than from the instance itself."""
        alone = statistics.median(each.samples[ONE.name].p50_ms for each in found[direct])
        return turn.samples[ONE.name].p50_ms - alone

    def of(load: Load, figure: str) -> Figure:
        return lambda turn: float(getattr(turn.samples[load.name], figure))

    costs: list[list[Figure]] = [
        [lambda turn: turn.ready_s],
        [lambda turn: turn.idle_mb],
        [added],
        [of(MANY, "cpu_ms")],
        [of(STREAMS, "cpu_ms")],
    ]
    borne = [[of(load, figure) for figure in ("rate", "p50_ms", "p99_ms")] for load in LOADS]
    gateways = [name for name in found if name != direct]
    heads = " | ".join(f"{load.name}" for load in LOADS)
    lines = [
        "| | ready | idle memory | added to an answer | CPU, plain | CPU, streamed |",
        "|---|---|---|---|---|---|",
        *(row(name, costs) for name in gateways),
        "",
        f"| answers/s · p50 · p99 | {heads} |",
        "|---|" + "---|" * len(LOADS),
        *(row(name, borne) for name in found),
    ]
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def circumstances(found: Rounds, load: float) -> str:
    """What the figures depend on, and what 1.00 is, in one paragraph."""
    name = list(found)[1]
    turns = found[name]

    def spread(values: Sequence[float], numbers: str = ".0f") -> str:
        low, median, high = min(values), statistics.median(values), max(values)
        return f"{median:{numbers}} ({low:{numbers}}-{high:{numbers}})"

    rates = spread([turn.samples[MANY.name].rate for turn in turns])
    cpu = spread([turn.samples[MANY.name].cpu_ms for turn in turns])
    return (
        f"Ratios to {name}: 1.00 is ready in {spread([t.ready_s for t in turns], '.1f')} s, "
        f"{spread([t.idle_mb for t in turns])} MB, and with {MANY.clients} clients {rates} plain "
        f"answers/s for {cpu} ms of CPU each. Median of {len(turns)} rounds (least-most); clients, "
        f"gateway and instance share {os.cpu_count()} cores; load before the first run {load:.1f}, "
        f"after the last {os.getloadavg()[0]:.1f}. "
        f"LiteLLM {litellm_version(LOCK.read_text(encoding='utf-8'))}; {time.strftime('%Y-%m-%d')}."
    )


def prepare() -> None:
    """Get what is measured, and what measures; Spoilt where that cannot be done."""
    if os.geteuid():
        raise Spoilt("a network namespace of its own needs root: use sudo")
    if missing := [name for command, name in PACKAGES.items() if not shutil.which(command)]:
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
        subprocess.run(["apt-get", "update", "-q"], check=True)
        subprocess.run(install, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=True)
    gateway_python()
    portkey()


def inside() -> None:
    """Measure; print the tables and keep them."""
    load = os.getloadavg()[0]
    subprocess.Popen([sys.executable, "-m", "bench.instance", str(INSTANCE)], cwd=ROOT)
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as folder:
        found = measure(contenders(Path(folder)), LOADS, ROUNDS)
    said = circumstances(found, load)
    figures = {name: [asdict(turn) for turn in turns] for name, turns in found.items()}
    keep_all(FIGURES, said, figures)
    text = f"{said}\n\n{tables(found)}"
    click.echo(text)
    keep(text, BEGIN, END)


if __name__ == "__main__":
    apart.run("bench.gateway", prepare, inside)
