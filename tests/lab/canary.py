"""Canaries: secrets whose values exist nowhere else, and what was seen while they were in use."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmrack_lab.keys import write_private
from tests import COMMAND_DEADLINE, DEADLINE
from tests.lab.echo import MODEL
from tests.lab.site import ROOT, Run, Site

BOX = "box3"
HOME = "/home/llm"
CONFIG = f"{HOME}/.config/llmrack"
ENV_FILE = f"{CONFIG}/gateway.env"
OFFICE_HEADER = {"X-API-Key": "OFFICE_CLIENT_KEY"}
ECHO_PORT = 9009
CLIENT = "app"
STACK: dict[str, Any] = {
    "providers": {
        "local": {"kind": "ollama", "group": "gpu"},
        "vllm": {"kind": "vllm", "url": "http://vllm.lab:8000/v1", "api_key": "VLLM_API_KEY"},
        "openai": {
            "kind": "openai-compatible",
            "url": "https://openai.lab/v1",
            "api_key": "OPENAI_API_KEY",
        },
        "office": {
            "kind": "ollama-remote",
            "url": "https://office.lab:8443",
            "api_key": "OFFICE_API_KEY",
            "headers": {"X-Client-ID": "rack1"},
            "secret_headers": OFFICE_HEADER,
            "tls_verify": False,
            "paths": {
                "chat": "/ollama/v2/chat",
                "models": "/ollama/v2/models",
                "health": "/ollama/v2/health",
            },
        },
        "echo": {
            "kind": "vllm",
            "url": f"http://127.0.0.1:{ECHO_PORT}/v1",
            "api_key": "ECHO_API_KEY",
            "secret_headers": {"X-API-Key": "ECHO_HEADER"},
            "health_check": False,
        },
        "cloud": {"kind": "ollama-cloud"},
    },
    "models": {
        "llama3.2:1b": {"provider": "local", "preload": True},
        "assistant": {"provider": "local", "create": {"from": "llama3.2:1b", "system": "Help."}},
        "qwen-coder-vllm": {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
        "gpt-4o": {"provider": "openai"},
        "llava": {"provider": "office"},
        MODEL: {"provider": "echo"},
        "gpt-oss:20b-cloud": {"provider": "cloud"},
    },
    "chains": {"llama3.2:1b": ["qwen-coder-vllm", "gpt-4o", "llava", "gpt-oss:20b-cloud"]},
    "keys": {CLIENT: {"rpm": 60}},
}
OTHER_CHAIN = STACK | {"chains": {"llama3.2:1b": ["gpt-oss:20b-cloud"]}}
UNKNOWN_MODEL = STACK | {"models": STACK["models"] | {"no-such-model:1b": {"provider": "local"}}}
MISTAKE = STACK | {"chains": {"llama3.2:1b": ["nobody"]}}


@dataclass(frozen=True)
class Looked:
    """What a search found: how much there was to search, and the names of secrets in it."""

    size: int
    shown: list[str]


@dataclass
class Evidence:
    """Every run with what it printed, and what was seen meanwhile."""

    site: Site
    keys: dict[str, str]
    old_master: str
    new_master: str
    started: float
    client_key: str = ""
    rotated_master: str = ""
    runs: dict[str, Run] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """The canaries by name; the master key has two, one before its change and one after."""
        found = self.keys | {
            "LITELLM_MASTER_KEY": self.new_master,
            "the old LITELLM_MASTER_KEY": self.old_master,
            "the client's key": self.client_key,
            "the rotated LITELLM_MASTER_KEY": self.rotated_master,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def parts(self) -> dict[str, str]:
        """Half of each canary, out of its middle: a message may be cut short, or show an end."""
        return {name: value[-24:-8] for name, value in self.values.items()}

    def look(self, text: str) -> Looked:
        """Search a text."""
        return Looked(len(text.encode()), [k for k, part in self.parts.items() if part in text])

    def look_on_host(self, command: str) -> Looked:
        """Search what a shell command prints on the host; it runs there, the values stay here."""
        # The parts come on standard input, so that the search does not find itself.
        program = (
            "import json, subprocess, sys; parts = json.load(sys.stdin); "
            "said = subprocess.run(sys.argv[1], shell=True, capture_output=True, "
            "stdin=subprocess.DEVNULL).stdout.decode(errors='replace'); "
            "print(len(said), *(name for name in parts if parts[name] in said), sep='\\n')"
        )
        done = self.site.lab.host(BOX).ssh(
            f"python3 -c {shlex.quote(program)} {shlex.quote(command)}",
            input=json.dumps(self.parts),
        )
        size, *shown = done.stdout.splitlines()
        return Looked(int(size), shown)

    @property
    def env_file(self) -> Path:
        """Where the controller keeps the secrets."""
        return self.site.folder / "private" / "secrets.env"

    def llmrack(self, *words: str, given: str = "", mixed: bool = True, **environment: str) -> Run:
        """``llmrack`` with something on its standard input; ``mixed``: with what goes to stderr."""
        done = subprocess.run(
            [Path(sys.executable).parent / "llmrack", *words, "-i", self.site.inventory],
            cwd=ROOT,
            env={
                **os.environ,
                "LLMRACK_LAB": self.site.lab.name,
                "LLMRACK_IDENTITY": str(self.site.lab.folder / "ssh" / "id_ed25519"),
                **environment,
            },
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if mixed else subprocess.DEVNULL,
            text=True,
            timeout=COMMAND_DEADLINE,
        )
        return Run(done.returncode, done.stdout)

    def declare(self, stack: Mapping[str, Any], master: str, **data: object) -> None:
        """Declare ``stack``, with every secret and this master key, and more of a host's data."""
        keys = self.keys | {"LITELLM_MASTER_KEY": master}
        write_private(self.env_file, "".join(f"{k}={v}\n" for k, v in keys.items()))
        self.site.declare(
            {BOX: ("gpu", "gateway")},
            dict(stack),
            env_file=str(self.env_file),
            secrets_file=str(self.env_file.with_name("secrets.age")),
            ollama_instances="per-gpu",
            **data,
        )


@contextmanager
def watched(evidence: Evidence) -> Iterator[None]:
    """Sample processes here and on the host, and the modes of what is written there."""
    program = Path(__file__).with_name("watch.py").read_text()
    remote = f"exec python3 -c {shlex.quote(program)} {CONFIG}"
    commands = {
        "host": ["ssh", "-F", str(evidence.site.lab.ssh_config), BOX, remote],
        "controller": [sys.executable, "-c", program, str(evidence.env_file.parent)],
    }
    watchers = {
        name: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name, command in commands.items()
    }
    for watcher in watchers.values():
        assert watcher.stdin
        watcher.stdin.write(json.dumps(list(evidence.parts.values())) + "\n")
        watcher.stdin.flush()
    try:
        yield
    finally:
        for name, watcher in watchers.items():
            evidence.seen[name] = json.loads(watcher.communicate(timeout=DEADLINE)[0])
