"""Kinds of change to a fleet that serves: each call makes one, by a deploy as a person runs it."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmrack.components.gateway.service import COLOURS, service
from tests.lab.load import Load
from tests.lab.other_version import edit, other_version
from tests.lab.site import ROOT, Run, Site

GATEWAY = "box1"
ENGINES = ("box2", "box3", "box4")
HOSTS: dict[str, tuple[str, ...]] = {GATEWAY: ("gateway",), **dict.fromkeys(ENGINES, ("gpu",))}
MODEL = "llama3.2:1b"
KEY = "OLLAMA_API_KEY"
OLLAMA = "llmrack-ollama@main.service"
LOCK = Path("gateway/requirements.txt")
# A package that nothing of the gateway's work depends on, one release before the pinned one.
OTHER_PIN = """prometheus-client==0.25.0 \\
    --hash=sha256:5e373b75c31afb3c86f1a52fa1ad470c9aace18082d39ec0d2f918d11cc9ba28 \\
    --hash=sha256:d5aec89e349a6ec230805d0df882f3807f74fd6c1a2fa86864e3c2279059fed1
"""


class Changes:
    """Changes to ``site``, each of them another one than the last of its kind."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.kinds: dict[str, Callable[[], None]] = {
            "configuration": self.configuration,
            "key": self.key,
            "version": self.version,
            "engine": self.engine,
        }
        self._made = Counter[str]()
        self._program = ROOT
        self._master_key = f"sk-{secrets.token_hex(16)}"

    def load(self, **how: Any) -> Load:
        """Requests to the gateway, of such a ``Load``."""
        return Load(self.site, GATEWAY, MODEL, key=self._master_key, **how)

    def deploy(self) -> None:
        """The whole fleet as it is declared now."""
        self._declare()
        self.site.only = ""
        self.site.deployed()

    def configuration(self) -> None:
        """A timeout of a model: another config.yaml, and so another release of the gateway."""
        self._made["configuration"] += 1
        before = self._release()
        self._deploy(GATEWAY)
        assert self._release() != before

    def key(self) -> None:
        """A key in ``.env``: the same release, started with another environment.

        It is the cloud's, which is asked nothing here, so that its stand-in need not know each one.
        """
        self._made["key"] += 1
        self._deploy(GATEWAY)
        unit = service(self.colour())
        assert self.site.keys_of(GATEWAY, unit)[KEY] == self._key

    def version(self) -> None:
        """Another lock file: a release with a Python environment of its own."""
        self._made["version"] += 1
        before = self._link("venv")
        self._program = self._other_program() if self._made["version"] % 2 else ROOT
        self._deploy(GATEWAY)
        assert self._link("venv") != before

    def engine(self) -> None:
        """An environment variable of Ollama, which restarts; one host after the other."""
        self._made["engine"] += 1
        for host in ENGINES:
            self._deploy(host)
            found = self.site.environment_of(host, OLLAMA)
            assert found["OLLAMA_KEEP_ALIVE"] == self._keep_alive

    def colour(self) -> str:
        """The gateway's colour that serves."""
        states = {
            colour: self.site.as_service(
                GATEWAY, f"systemctl --user is-active {service(colour)}", check=False
            )
            for colour in COLOURS
        }
        (found,) = (colour for colour, state in states.items() if state == "active")
        return found

    def broken(self, file: str, old: str, new: str) -> Run:
        """Try to deploy a version of this project with ``new`` in a file that goes to hosts.

        + file: its path in the project
        """
        program = other_version(self.site.folder / "broken")
        edit(program / file, old, new)
        self.site.only = GATEWAY
        return self.site.deploy(PYTHONPATH=str(program))

    @property
    def _keep_alive(self) -> str:
        return f"{300 + self._made['engine']}s"

    @property
    def _key(self) -> str:
        return f"lab-cloud-key-{self._made['key']}"

    def _declare(self) -> None:
        keys = {"LITELLM_MASTER_KEY": self._master_key, KEY: self._key}
        env_file = self.site.folder / "env"
        env_file.touch(0o600)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
        timeout = 1000 + self._made["configuration"]
        stack = {
            "providers": {"local": {"kind": "ollama", "group": "gpu"}},
            "models": {MODEL: {"provider": "local", "timeout": timeout}},
        }
        environment = {
            "OLLAMA_CONTEXT_LENGTH": 8192,
            "OLLAMA_KEEP_ALIVE": self._keep_alive,
            "OLLAMA_NUM_PARALLEL": 16,
        }
        self.site.declare(HOSTS, stack, env_file=str(env_file), ollama_environment=environment)

    def _deploy(self, host: str) -> None:
        self._declare()
        self.site.only = host
        run = self.site.deploy(PYTHONPATH=str(self._program))
        assert run.code == 0, run.output

    def _release(self) -> str:
        return self._link("")

    def _link(self, name: str) -> str:
        path = f"/home/llm/.local/opt/llmrack-gateway/current/{name}"
        return self.site.on(GATEWAY, f"readlink -f {path}")

    def _other_program(self) -> Path:
        """This project with another version of a package in the gateway's lock file."""
        program = other_version(self.site.folder / "other")
        lock = program / "templates" / LOCK
        text, count = re.subn(
            r"^prometheus-client==.*\n(?: .*--hash.*\n)+", OTHER_PIN, lock.read_text(), flags=re.M
        )
        assert count == 1 and text != lock.read_text()
        lock.write_text(text)
        return program
