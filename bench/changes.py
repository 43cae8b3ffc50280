"""What clients notice of changes to a fleet that serves, and of an instance that dies.

``python -m bench.changes`` (root; about an hour on two idle cores) boots a lab of four hosts, one
with the gateway and three with Ollama. OpenAI's SDK sends requests from outside all the time. Each
kind of change is made 20 times by ``pyinfra inventory deploy.py``; then an instance is killed and
brought back under 32 clients. It prints a table, writes it into ``bench/README.md`` and removes the
lab. No time is asserted, and no loss either: it is what is counted.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.figures import keep
from llmrack_lab.lab import Lab
from llmrack_lab.shell import LabError
from tests.lab.changes import Changes
from tests.lab.deaths import CLIENTS, DEATHS, death_under_load
from tests.lab.load import Answer
from tests.lab.site import ROOT, Site

BEGIN, END = "<!-- begin: written by bench.changes -->", "<!-- end -->"

LAB, SUBNET = "bench", "10.83.0.0/24"
HOSTS = 4
TIMES, FEWER_TIMES = 20, 5
DEATH_REQUESTS = 5000
# While changes are made: clients, and requests a second of all of them, a part of what one gateway
# can do on two cores.
FEW, RATE = 8, 10
CALM_SECONDS = 60


@dataclass(frozen=True)
class Row:
    """What became of the requests of one part.

    + what: the part
    + made: how often the change was made
    + answers: all of its requests
    """

    what: str
    made: int
    answers: Sequence[Answer]

    def __str__(self) -> str:
        whole = sorted(each.seconds for each in self.answers if not each.lost)
        begun = sum(each.is_broken_off for each in self.answers)
        short = sum(each.is_short for each in self.answers)
        lost = sum(bool(each.lost) for each in self.answers) - begun - short
        p99 = statistics.quantiles(whole, n=100)[98]
        return (
            f"| {self.what} | {self.made} | {len(self.answers)} | {lost} | {short} | {begun} "
            f"| {statistics.median(whole):.2f} | {p99:.2f} | {whole[-1]:.2f} |"
        )


def calm(changes: Changes) -> Row:
    """The same load, while nothing is changed."""
    with changes.load(clients=FEW, rate=RATE) as load:
        load.wait_for(RATE * CALM_SECONDS)
    return Row("no change", 0, load.answers)


def changed(changes: Changes, kind: str, times: int, what: str = "", **how: bool | int) -> Row:
    """Changes of a kind under load; ``how``: of ``tests.lab.load.Load``."""
    with changes.load(clients=FEW, rate=RATE, **how) as load:
        for number in range(times):
            started = time.perf_counter()
            changes.kinds[kind]()
            click.echo(f"{kind}: {number + 1} of {times}, {time.perf_counter() - started:.0f} s")
        load.wait_for(RATE)
    return Row(what or kind, times, load.answers)


def died(changes: Changes, death: str) -> Row:
    """An instance dies under many clients, and comes back."""
    answers = death_under_load(changes, death, DEATH_REQUESTS)
    return Row(f"{death}, {CLIENTS} clients", 1, answers)


def table(rows: Sequence[Row]) -> str:
    """The figures as a table in Markdown."""
    head = (
        "| change | times | requests | lost | cut short | broken off | median s | p99 s | most s |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|---|---|---|", *map(str, rows)])


def circumstances() -> str:
    """What the figures depend on, in one paragraph."""
    return (
        f"{FEW} clients, {RATE} requests a second, plain and streamed in turn, by OpenAI's SDK "
        f"without its retries. Hosts, controller and clients share {os.cpu_count()} cores; load "
        f"before the first change {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d')}."
    )


def measure(changes: Changes) -> list[Row]:
    """Everything, one after the other."""
    rows = [calm(changes)]
    rows += [changed(changes, kind, TIMES) for kind in changes.kinds]
    kind, what = "configuration", "configuration; a connection each request"
    rows += [changed(changes, kind, FEWER_TIMES, what, pooled=False)]
    kind, what = "engine", "engine; with the SDK's own retries"
    rows += [changed(changes, kind, FEWER_TIMES, what, max_retries=2)]
    return rows + [died(changes, death) for death in DEATHS]


def main() -> None:
    """Measure in a lab of its own, print the table and keep it in the README."""
    lab = Lab(LAB, ROOT / ".lab", SUBNET)
    said = circumstances()
    with TemporaryDirectory(prefix="bench-") as folder:
        try:
            lab.up(HOSTS, progress=click.echo)
            changes = Changes(Site(lab, Path(folder)))
            click.echo("deploying")
            changes.deploy()
            text = f"{said}\n\n{table(measure(changes))}"
        finally:
            lab.down()
    click.echo(text)
    keep(text, BEGIN, END)


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"bench: {error}")
