"""What it costs to give every host of a fleet its models over one slow line to the internet.

``python -m bench.fleet_pull`` (root; about ten minutes) boots a lab of three hosts, limits what
its registry sends to all of them together, and has the hosts get two models in two ways: each
pulls for itself, or llmrack deploys them. It prints a table, writes it into ``bench/README.md``
and removes the lab. That all hosts have the models afterwards is asserted, no time is.
"""

from __future__ import annotations

import json
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import httpx
import yaml

from bench.figures import keep
from llmrack_lab.lab import Lab
from llmrack_lab.shell import LabError

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
BEGIN, END = "<!-- begin: written by bench.fleet_pull -->", "<!-- end -->"

LAB, SUBNET = "bench", "10.83.0.0/24"
HOSTS = 3
RUNS = 3
MODELS = ("qwen2.5-coder:7b", "llama3.2:1b")
# Bytes per second, so low that the models, tiny as they are, take as long as real ones may.
UPLINK = 250_000
PLACE = "/home/llm/.ollama/models"


class Spoilt(Exception):
    """What was measured did not do what it is measured for."""


@dataclass
class Cost:
    """What a way of getting the models cost: seconds, and bytes over the line, of each run."""

    seconds: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        median = statistics.median(self.seconds)
        spread = f"{min(self.seconds):.1f}-{max(self.seconds):.1f}"
        return f"{median:.1f} ({spread}) | {statistics.median(self.bytes) / 1e6:.2f}"


class Fleet:
    """The hosts of ``lab``: each runs Ollama with the models, the first the gateway too."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._hosts = lab.hosts()
        self._inventory = lab.folder / "fleet"
        stack = lab.folder / "stack.yaml"
        provider = {"local": {"kind": "ollama", "group": "gpu"}}
        models = {model: {"provider": "local"} for model in MODELS}
        stack.write_text(yaml.safe_dump({"providers": provider, "models": models}))
        data = {
            "ssh_user": "root",
            "ssh_key": str(lab.folder / "ssh" / "id_ed25519"),
            "ssh_known_hosts_file": str(lab.folder / "ssh" / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            "stack_file": str(stack),
        }
        hosts = [(host.name, {"ssh_hostname": host.address, **data}) for host in self._hosts]
        self._inventory.write_text(f"gpu = {hosts!r}\ngateway = gpu[:1]\nlab = gpu\n")

    def llmrack(self) -> None:
        """``pyinfra inventory deploy.py -y``, with all that belongs to it: looks and proof."""
        done = subprocess.run(
            [BIN / "pyinfra", self._inventory, "deploy.py", "-y"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Spoilt(f"the deploy failed ({done.returncode})\n{done.stdout}")

    def each_for_itself(self) -> None:
        """``POST /api/pull`` for each model on every host at the same time, and nothing else."""
        pull = "curl -fsS --noproxy '*' http://127.0.0.1:11434/api/pull -d"
        requests = [json.dumps({"model": model, "stream": False}) for model in MODELS]
        script = " && ".join(f"{pull} '{request}'" for request in requests)
        ssh = ["ssh", "-F", str(self._lab.ssh_config), "-o", "ControlPath=none"]
        started = [
            subprocess.Popen([*ssh, host.name, script], stdout=subprocess.PIPE, text=True)
            for host in self._hosts
        ]
        for process in started:
            said, _ = process.communicate()
            if process.returncode or said.count("success") != len(MODELS):
                raise Spoilt(f"a pull failed: {said}")

    def empty(self) -> None:
        """Remove every model from every host; Ollama reads its folder on each request."""
        for host in self._hosts:
            host.ssh(f"rm -rf {PLACE}/manifests/* {PLACE}/blobs/*")

    def check(self) -> None:
        """Raises Spoilt when a host lacks a model."""
        for host in self._hosts:
            listed = host.ssh("curl -fsS --noproxy '*' http://127.0.0.1:11434/api/tags").stdout
            names = {model["name"] for model in json.loads(listed)["models"]}
            if names != set(MODELS):
                raise Spoilt(f"{host.name} has {names}")


class Line:
    """The line to the internet: what the registry sends."""

    def __init__(self, lab: Lab) -> None:
        trust = ssl.create_default_context(cafile=str(lab.authority))
        self._client = httpx.Client(base_url=lab.control("registry"), verify=trust)

    def limit(self, rate: int | None) -> None:
        """Bytes per second, of all hosts together."""
        self._client.post("/rate", json={"bytes_per_s": rate}).raise_for_status()

    @property
    def sent(self) -> int:
        """Bytes of models so far."""
        return int(self._client.get("/bytes").json()["bytes_sent"])


def measure(fleet: Fleet, line: Line) -> dict[str, Cost]:
    """What each way costs, in turns."""
    ways: dict[str, Callable[[], None]] = {
        "each host pulls for itself": fleet.each_for_itself,
        "llmrack": fleet.llmrack,
    }
    costs = {name: Cost() for name in ways}
    for number in range(RUNS):
        for name, work in ways.items():
            fleet.empty()
            before, started = line.sent, time.perf_counter()
            work()
            costs[name].seconds.append(time.perf_counter() - started)
            costs[name].bytes.append(line.sent - before)
            fleet.check()
            click.echo(f"{number + 1} of {RUNS}, {name}: {costs[name].seconds[-1]:.1f} s")
    return costs


def table(costs: dict[str, Cost]) -> str:
    """The figures as a table in Markdown."""
    lines = ["| way | seconds | MB over the line |", "|---|---|---|"]
    lines += [f"| {name} | {cost} |" for name, cost in costs.items()]
    alone, llmrack = costs.values()
    faster = statistics.median(alone.seconds) / statistics.median(llmrack.seconds)
    less = statistics.median(alone.bytes) / statistics.median(llmrack.bytes)
    return "\n".join([*lines, f"| ratio | {faster:.2f} | {less:.2f} |"])


def circumstances() -> str:
    """What the figures depend on, in one paragraph."""
    return (
        f"{HOSTS} hosts, {len(MODELS)} models, a line of {UPLINK / 1e6} MB/s for all; median of "
        f"{RUNS} (least-most). Hosts and controller share {os.cpu_count()} cores; load before the "
        f"first run {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d')}."
    )


def main() -> None:
    """Measure in a lab of its own, print the table and keep it in the README."""
    os.environ["LLMRACK_LAB"] = LAB
    lab = Lab(LAB, ROOT / ".lab", SUBNET)
    said = circumstances()
    try:
        lab.up(HOSTS, progress=click.echo)
        fleet, line = Fleet(lab), Line(lab)
        click.echo("deploying")
        fleet.llmrack()
        line.limit(UPLINK)
        text = f"{said}\n\n{table(measure(fleet, line))}"
    finally:
        lab.down()
    click.echo(text)
    keep(text, BEGIN, END)


if __name__ == "__main__":
    try:
        main()
    except (Spoilt, LabError) as error:
        sys.exit(f"bench: {error}")
