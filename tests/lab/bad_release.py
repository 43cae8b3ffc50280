"""A gateway on one host whose next release can be a bad one."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llmrack.components.gateway.service import COLOURS, service
from llmrack_lab.shell import wait_until
from tests.lab.load import Load
from tests.lab.other_version import edit, other_version
from tests.lab.site import STACK, Run, Site

HOST = "box1"
BOX: dict[str, tuple[str, ...]] = {HOST: ("gpu", "gateway")}
BASE = "/home/llm/.local/opt/llmrack-gateway"


@dataclass(frozen=True)
class State:
    """What serves: the release, the colours that run, and what its unit is."""

    release: str
    colours: tuple[str, ...]
    unit: str


class Gateway:
    """The gateway of ``site``; ``timeout`` and ``key`` change what is declared.

    + hosts: their groups, by name
    """

    def __init__(self, site: Site, hosts: dict[str, tuple[str, ...]] = BOX) -> None:
        self.site = site
        self.hosts = hosts
        self.timeout = 1000
        self.key = "a-key"
        self._master_key = f"sk-{secrets.token_hex(16)}"
        self.settings: dict[str, object] = {}

    def declare(self) -> None:
        """Write the declaration."""
        keys = {"LITELLM_MASTER_KEY": self._master_key, "OLLAMA_API_KEY": self.key}
        env_file = self.site.folder / "env"
        env_file.touch(0o600)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
        stack = {
            "providers": {"local": STACK["providers"]["local"]},
            "models": {"llama3.2:1b": {"provider": "local", "timeout": self.timeout}},
        }
        self.site.declare(self.hosts, stack, env_file=str(env_file), **self.settings)

    def deploy(self, *options: str) -> Run:
        """Deploy what is declared."""
        self.declare()
        return self.site.deploy(*options)

    def deployed(self) -> None:
        """The same, which has to succeed."""
        run = self.deploy()
        assert run.code == 0, run.output

    def killed_at(self, at: Callable[[], bool]) -> None:
        """Start a deploy of what is declared, and kill it at a point in its course."""
        self.declare()
        with self.site.start("pyinfra", self.site.inventory, "deploy.py", "-y") as deploy:
            try:
                reached = wait_until(at, 180)
            finally:
                deploy.kill()
            assert reached, deploy.communicate()[0]

    def deploy_broken(self, file: str, old: str, new: str) -> Run:
        """Try to deploy a version of this project with ``new`` in a file that goes to hosts.

        + file: its path in the project
        """
        self.declare()
        program = other_version(self.site.folder / "broken")
        edit(program / file, old, new)
        return self.site.deploy(PYTHONPATH=str(program))

    def load(self, **how: Any) -> Load:
        """Constant requests, of such a ``Load``."""
        return Load(self.site, HOST, key=self._master_key, **how)

    def state(self) -> State:
        """What serves now."""
        units = " ".join(map(service, COLOURS))
        states = self.on(f"systemctl --user is-active {units}").split()
        running = tuple(
            colour for colour, state in zip(COLOURS, states, strict=True) if state == "active"
        )
        unit = self.on("sha256sum .config/systemd/user/llmrack-gateway@.service")
        release = self.on(f"basename $(readlink {BASE}/current)")
        assert re.fullmatch("[0-9a-f]{12}", release)
        return State(release, running, unit)

    def on(self, command: str) -> str:
        """What a command of the service user prints, in its home."""
        return self.site.as_service(HOST, f"cd; {command}", check=False)
