"""A site: hosts of the lab with a declaration of their own, deployed as a person would."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from llmrack_lab.lab import Lab
from tests import COMMAND_DEADLINE

ROOT = Path(__file__).parents[2]

# One small model of each kind; tests add what they are about.
STACK: dict[str, Any] = {
    "providers": {
        "local": {"kind": "ollama", "group": "gpu"},
        "cloud": {"kind": "ollama-cloud"},
    },
    "models": {
        "llama3.2:1b": {"provider": "local"},
        "gpt-oss:20b-cloud": {"provider": "cloud"},
    },
    "default_chain": ["gpt-oss:20b-cloud"],
}


UNSET = "left out"


@dataclass(frozen=True)
class Run:
    """One run of a command: its exit code and everything it printed."""

    code: int
    output: str

    @property
    def changed(self) -> bool:
        """Whether any operation did something on any host (pyinfra's results table)."""
        total = re.search(r"Grand total +\d+ +(\S+) +(\S+)", self.output)
        assert total, self.output
        return total.groups() != ("-", "-")

    @property
    def commands(self) -> Counter[str]:
        """Remote commands by host; needs ``--debug``."""
        return Counter(re.findall(r"Running command on (\S+):", self.output))


@dataclass
class Site:
    """Hosts of ``lab`` and what is declared for them, in ``folder``.

    + root: the folder of the project that commands are run in
    """

    lab: Lab
    folder: Path
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # The host or group that is deployed, if not all are: a gateway takes half a minute, and most
    # tests of engines are not about it.
    only: str = ""
    # Settings of single hosts, above those of all; UNSET leaves one out.
    own: dict[str, dict[str, object]] = field(default_factory=dict)
    root: Path = ROOT

    def declare(
        self,
        hosts: Mapping[str, tuple[str, ...]],
        stack: dict[str, Any] | None = None,
        **data: object,
    ) -> None:
        """Write inventory and stack.

        + hosts: for each host its groups, as in ``{"box1": ("gpu", "gateway")}``
        + stack: the stack (default: STACK)
        + data: settings of every host, above group_data/
        """
        self.hosts = dict(hosts)
        (self.folder / "stack.yaml").write_text(yaml.safe_dump(stack or STACK, sort_keys=False))
        common = {
            "ssh_user": "root",
            "ssh_key": str(self.lab.folder / "ssh" / "id_ed25519"),
            "ssh_known_hosts_file": str(self.lab.folder / "ssh" / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            "stack_file": str(self.folder / "stack.yaml"),
            "gateway_drain": 10,
        } | data
        lines = []
        for group in ("gpu", "gateway", "monitor", "lab"):
            members = [
                (name, self._data(name, common))
                for name, groups in hosts.items()
                if group in groups or group == "lab"
            ]
            lines.append(f"{group} = {members!r}" if members else "")
        (self.folder / "inventory").write_text("\n".join(lines) + "\n")

    def _data(self, name: str, common: dict[str, object]) -> dict[str, object]:
        """What the inventory has for one host."""
        address: dict[str, object] = {"ssh_hostname": self.lab.host(name).address}
        data = address | common | self.own.get(name, {})
        return {key: value for key, value in data.items() if value != UNSET}

    def run(self, *arguments: str, given: str = "", **environment: str) -> Run:
        """A command of the virtual environment, from the project's root; ``given`` is its input."""
        process = self.start(*arguments, **environment)
        try:
            output, _ = process.communicate(given, timeout=COMMAND_DEADLINE)
        finally:
            process.kill()
        return Run(process.returncode, output)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The same, without waiting for its end."""
        program, *rest = arguments
        return subprocess.Popen(
            [Path(sys.executable).parent / program, *rest],
            cwd=self.root,
            env={
                **os.environ,
                "LLMRACK_LAB": self.lab.name,
                "PYINFRA_PROGRESS": "off",
                "COLUMNS": "80",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def deploy(self, *options: str, **environment: str) -> Run:
        """``pyinfra inventory deploy.py -y`` with more ``options``."""
        limit = ("--limit", self.only) if self.only else ()
        return self.run(
            "pyinfra", self.inventory, "deploy.py", "-y", *limit, *options, **environment
        )

    def deployed(self) -> Run:
        """Deploy, expect it to succeed."""
        run = self.deploy()
        assert run.code == 0, run.output
        return run

    def settled(self) -> None:
        """A further run changes nothing, and looks at each host once."""
        run = self.deploy("--debug")
        assert run.code == 0, run.output
        assert not run.changed, run.output
        assert set(run.commands.values()) == {1}, run.commands

    @property
    def inventory(self) -> str:
        """The inventory's path."""
        return str(self.folder / "inventory")

    @property
    def secrets(self) -> dict[str, str]:
        """The keys of the lab, by name."""
        text = (self.lab.folder / "env").read_text()
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def on(self, host: str, command: str, user: str = "root", check: bool = True) -> str:
        """What ``command`` prints on a host."""
        return self.lab.host(host).ssh(command, user=user, check=check).stdout.strip()

    def listening(self, host: str) -> set[str]:
        """Every address and port on which something on a host listens (TCP)."""
        return {line.split()[3] for line in self.on(host, "ss -Hltn").splitlines()}

    def as_service(self, host: str, command: str, check: bool = True) -> str:
        """The same as the service user, with its user manager."""
        return self.on(
            host,
            "i=$(id -u llm); setpriv --reuid=$i --regid=$i --init-groups env -i HOME=/home/llm "
            f"PATH=$PATH XDG_RUNTIME_DIR=/run/user/$i sh -c {shlex.quote(command)}",
            check=check,
        )

    def listing(self, host: str) -> str:
        """What a deploy could change on a host: files, their times, users, packages, linger."""
        return self.on(
            host,
            "find /home /srv /etc /opt /usr/local /var/lib/systemd/linger -xdev "
            # The lab's own: Python keeps what it compiles there.
            "-path /usr/local/lib/pretended-gpus -prune -o "
            "-printf '%p %y %m %u %s %T@ %l\\n' 2>/dev/null | sort; dpkg-query -W; getent passwd",
        )

    def environment_of(self, host: str, unit: str) -> dict[str, str]:
        """The environment of the main process of a unit of the service user."""
        pid = self.as_service(host, f"systemctl --user show -P MainPID {unit}")
        text = self.on(host, f"cat /proc/{pid}/environ")
        return dict(entry.split("=", 1) for entry in text.split("\0") if entry)

    def keys_of(self, host: str, unit: str) -> dict[str, str]:
        """The keys in the credential of a gateway's unit that runs."""
        text = self.as_service(host, f"cat $XDG_RUNTIME_DIR/credentials/{unit}/gateway.env")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def chat(self, host: str, model: str, **body: object) -> httpx.Response:
        """Ask the gateway on ``host``; needs a LAN bind (group lab has one)."""
        key = self.secrets["LITELLM_MASTER_KEY"]
        return httpx.post(
            f"http://{self.lab.host(host).address}:4000/v1/chat/completions",
            headers={"Authorization": f"Bearer {key}"},
            json={"model": model, "messages": [{"role": "user", "content": "Say hello."}]} | body,
            timeout=30,
            trust_env=False,
        )

    def fault(self, service: str, mode: str, **more: object) -> None:
        """Make a provider's stand-in misbehave until ``mode`` is ``ok``."""
        url = f"{self.lab.control(service)}/fault"
        httpx.post(url, json={"mode": mode, **more}, trust_env=False).raise_for_status()

    def forget_requests(self, service: str) -> None:
        """Let a provider's stand-in forget what it was asked."""
        url = f"{self.lab.control(service)}/requests"
        httpx.delete(url, trust_env=False).raise_for_status()

    def requests(self, service: str) -> list[dict[str, Any]]:
        """What a provider's stand-in was asked: its last 500 requests."""
        found: list[dict[str, Any]] = httpx.get(
            f"{self.lab.control(service)}/requests", trust_env=False
        ).json()
        return found


@contextmanager
def held(site: Site, host: str, program: str, word: str) -> Iterator[Callable[[], bool]]:
    """Make ``program`` on a host wait, where ``word`` is among its arguments.

    Yields a function that tells whether it has got there.
    """
    wrapper = f"/usr/local/bin/{program}"
    script = (
        f'case " $* " in *" {word} "*) echo $$ >/tmp/held; exec sleep 600;; esac\n'
        f'exec /usr/bin/{program} "$@"\n'
    )
    site.lab.host(host).ssh(f"cat >{wrapper} && chmod 755 {wrapper}", input=f"#!/bin/sh\n{script}")
    try:
        yield lambda: bool(site.on(host, "cat /tmp/held", check=False))
    finally:
        site.on(host, f"rm -f {wrapper}; kill $(cat /tmp/held); rm -f /tmp/held", check=False)
