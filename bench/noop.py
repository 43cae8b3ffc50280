"""Measures a run that changes nothing: llmrack, pyinfra with an empty deploy, Ansible, plain ssh.

``make bench`` (root; about ten minutes) boots a lab of its own, deploys it, measures fleets of 1,
2 and 4 hosts, prints a table, writes it into ``bench/README.md`` and removes the lab. Nothing here
asserts a time; that nothing changed in what was measured is asserted.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click

from bench.export import Export
from bench.figures import keep
from llmrack.components.gateway.service import COLOURS, service
from llmrack.site.declared import read_inventory
from llmrack_lab.lab import Lab
from llmrack_lab.shell import LabError

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
BEGIN, END = "<!-- begin: written by make bench -->", "<!-- end -->"

LAB, SUBNET = "bench", "10.83.0.0/24"
FLEETS = (1, 2, 4)
RUNS = 5
KEPT_OPEN = "-o ControlMaster=auto -o ControlPersist=60s"


class Spoilt(Exception):
    """What was measured was not a run that changes nothing."""


@dataclass(frozen=True)
class Times:
    """Wall times of one contender with one fleet, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Their median."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({min(self.seconds):.2f}-{max(self.seconds):.2f})"


class Fleet:
    """The first ``size`` hosts of ``lab``: each runs Ollama, the first the gateway too."""

    def __init__(self, lab: Lab, size: int) -> None:
        self._lab = lab
        self._hosts = lab.hosts()[:size]
        # In the lab's folder, so that it goes with the lab.
        self._folder = lab.folder / f"fleet-{size}"
        self._folder.mkdir(exist_ok=True)
        self._inventory = self._folder / "inventory"
        ssh = {
            "ssh_user": "root",
            "ssh_key": str(lab.folder / "ssh" / "id_ed25519"),
            "ssh_known_hosts_file": str(lab.folder / "ssh" / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
        }
        hosts = [(host.name, {"ssh_hostname": host.address, **ssh}) for host in self._hosts]
        self._inventory.write_text(f"gpu = {hosts!r}\ngateway = gpu[:1]\nlab = gpu\n")

    def deploy(self) -> str:
        """``pyinfra inventory deploy.py -y``; returns what it printed."""
        return _run(BIN / "pyinfra", self._inventory, "deploy.py", "-y")

    def contenders(self) -> dict[str, Callable[[], None]]:
        """What is measured, by name; each raises Spoilt when something changed."""
        declared = read_inventory(str(self._inventory), ROOT)
        export = Export(declared, self._folder / "ansible", self._colour())
        playbook: list[str | Path] = [
            BIN / "ansible-playbook",
            "-i",
            export.write(),
            "bench/ansible/playbook.yml",
        ]
        environment = {
            "ANSIBLE_CONFIG": str(ROOT / "bench" / "ansible" / "ansible.cfg"),
            "ANSIBLE_HOME": str(self._lab.folder / "ansible"),
            "ANSIBLE_SSH_ARGS": f"-F {shlex.quote(str(self._lab.ssh_config))} {KEPT_OPEN}",
            **{name: secret.reveal() for name, secret in declared.secrets.items()},
        }

        def llmrack() -> None:
            output = self.deploy()
            if not re.search(r"Grand total +\d+ +- +- +\d+", output):
                raise Spoilt(f"llmrack changed something; did a file change meanwhile?\n{output}")

        def ansible() -> None:
            output = _run(*playbook, environment=environment)
            if re.findall(r" changed=(\d+) ", output) != ["0"] * len(self._hosts):
                raise Spoilt(f"Ansible changed something\n{output}")

        # Not in the project's folder, whose config.py is llmrack's.
        (self._folder / "empty.py").write_text("")

        def pyinfra() -> None:
            _run(BIN / "pyinfra", self._inventory, "empty.py", "-y", folder=self._folder)

        return {
            "llmrack": llmrack,
            "pyinfra": pyinfra,
            "ansible": ansible,
            "floor": self._floor,
        }

    def _floor(self) -> None:
        """One cold ``ssh host sh -s`` per host, all at once."""
        command = ["ssh", "-F", str(self._lab.ssh_config), "-o", "ControlPath=none"]
        started = [
            subprocess.Popen([*command, host.name, "sh", "-s"], stdin=subprocess.PIPE)
            for host in self._hosts
        ]
        for process in started:
            assert process.stdin
            process.stdin.write(b"true\n")
            process.stdin.close()
        if any([process.wait() for process in started]):
            raise Spoilt("a host does not answer to ssh")

    def _colour(self) -> str:
        """The gateway's colour that serves."""
        for colour in COLOURS:
            command = f"systemctl --user -M llm@.host is-active {service(colour)}"
            if self._hosts[0].ssh(command, check=False).stdout.strip() == "active":
                return colour
        raise Spoilt(f"no gateway runs on {self._hosts[0].name}")


def _run(
    *command: str | Path, folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> str:
    """Run it from ``folder``; what it printed. Raises Spoilt when it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Spoilt(f"{Path(command[0]).name} failed ({done.returncode})\n{done.stdout}")
    return done.stdout


def measure(fleet: Fleet) -> dict[str, Times]:
    """Each contender's times, in turns (A B C A B C …), after one round that does not count."""
    contenders = fleet.contenders()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(RUNS + 1):
        for name, work in contenders.items():
            started = time.perf_counter()
            work()
            if number:
                times[name].append(time.perf_counter() - started)
    return {name: Times(tuple(seconds)) for name, seconds in times.items()}


def table(results: dict[int, dict[str, Times]]) -> str:
    """The figures as a table in Markdown."""
    lines = [
        "| hosts | llmrack | pyinfra, an empty deploy | Ansible | floor | llmrack / pyinfra "
        "| Ansible / llmrack | llmrack / floor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size, found in results.items():
        llmrack, pyinfra = found["llmrack"], found["pyinfra"]
        ansible, floor = found["ansible"], found["floor"]
        lines.append(
            f"| {size} | {llmrack} | {pyinfra} | {ansible} | {floor} "
            f"| {llmrack.median / pyinfra.median:.2f} | {ansible.median / llmrack.median:.1f} "
            f"| {llmrack.median / floor.median:.1f} |"
        )
    return "\n".join(lines)


def circumstances() -> str:
    """What the figures depend on, in one paragraph."""
    load = os.getloadavg()[0]
    return (
        f"Seconds of wall time: median of {RUNS} (least-most). Hosts and controller share "
        f"{os.cpu_count()} cores ({platform.machine()}); load before the first run {load:.1f}. "
        f"Python {platform.python_version()}, pyinfra {version('pyinfra')}, "
        f"ansible-core {version('ansible-core')}; {time.strftime('%Y-%m-%d')}."
    )


def main() -> None:
    """Measure in a lab of its own, print the table and keep it in the README."""
    os.environ["LLMRACK_LAB"] = LAB
    _run(sys.executable, "-m", "compileall", "-q", "llmrack", "llmrack_lab")
    lab = Lab(LAB, ROOT / ".lab", SUBNET)
    said = circumstances()
    try:
        lab.up(max(FLEETS), progress=click.echo)
        # The largest fleet first, so that no fleet measured later leaves work for another one.
        results = {}
        for size in sorted(FLEETS, reverse=True):
            fleet = Fleet(lab, size)
            click.echo(f"hosts: {size}, deploying")
            fleet.deploy()
            click.echo(f"hosts: {size}, measuring")
            results[size] = measure(fleet)
        text = f"{said}\n\n{table(dict(sorted(results.items())))}"
    finally:
        lab.down()
    click.echo(text)
    keep(text, BEGIN, END)


if __name__ == "__main__":
    try:
        main()
    except (Spoilt, LabError) as error:
        sys.exit(f"bench: {error}")
