"""What stands before an instance in ``bench.gateway``: nothing, LiteLLM in three ways, a peer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import httpx
import yaml
from dotenv import dotenv_values

from bench.gateway_python import CACHE, gateway_python
from bench.load import Spoilt, chat, resident_mb
from bench.release import write
from llmrack.components.gateway import gateway
from llmrack.resources.releases import Release
from llmrack.secrets.places import MASTER_KEY, Places
from llmrack.secrets.value import Secret, StoredSecret
from llmrack.site.site import Site
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import GATEWAY_GROUP, MONITOR_GROUP, Fleet, Host
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings

PEER = "1.15.2"
# With a later one, as npm would take, it streams nothing (Portkey-AI/gateway#1389).
PEER_SERVER = "1.13.8"
WORKERS = 2
INSTANCE, PORT = 11434, 4000
KEY = "sk-bench-only-0123456789"
DEADLINE = 120.0
# What systemd does: a listening socket becomes descriptor 3 of the process that it names.
PASS_SOCKET = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3);"
    " os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
    " os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass
class Contender:
    """Something that answers chats; a context manager that starts and ends it.

    + name: what it is called in figures
    + folder: for its files and its log
    + pids: its processes
    + ready_s: seconds from its start to its first answer
    + idle_mb: memory before any load
    """

    name: str
    folder: Path
    port: int = PORT
    headers: Mapping[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {KEY}"})
    ready_s: float = 0.0
    idle_mb: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._open = ExitStack()

    @property
    def url(self) -> str:
        """Where chats are asked for."""
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    @property
    def pids(self) -> list[int]:
        """Its processes; none for the instance itself, which everybody shares."""
        return [process.pid for process in self._processes]

    @property
    def _ended(self) -> bool:
        return any(process.poll() is not None for process in self._processes)

    def start(self) -> None:
        """Start its processes, if it has any of its own."""

    def __enter__(self) -> Contender:
        """Start it and wait until it answers, plain and streamed; Spoilt when it does not."""
        began = time.monotonic()
        try:
            self.start()
            while not self._answers(streamed=False):
                if time.monotonic() - began > DEADLINE or self._ended:
                    raise Spoilt(f"{self.name} does not answer; see {self.folder}/log")
                time.sleep(0.02)
            self.ready_s = time.monotonic() - began
            self.idle_mb = resident_mb(self.pids)
            if not self._answers(streamed=True):
                raise Spoilt(f"{self.name} streams no whole answer; see {self.folder}/log")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill its processes: what they would still do at leisure is not measured."""
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()
        self._open.close()

    def _answers(self, *, streamed: bool) -> bool:
        try:
            reply = httpx.post(self.url, json=chat(streamed), headers=self.headers, timeout=30)
        except httpx.TransportError:
            return False
        whole = "[DONE]" in reply.text if streamed else "word0 " in reply.text
        return reply.status_code == 200 and "word19" in reply.text and whole

    def _run(
        self,
        *command: str | Path,
        env: Mapping[str, str] = MappingProxyType({}),
        listener: socket.socket | None = None,
    ) -> None:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()] if listener else [],
            )
        self._processes.append(process)


class Direct(Contender):
    """The instance itself."""


class Defaults(Contender):
    """``litellm --config`` with the instance and a master key in it, and nothing else."""

    def start(self) -> None:
        """Start it."""
        at = {"model": "ollama_chat/chat", "api_base": f"http://127.0.0.1:{INSTANCE}"}
        config = {
            "model_list": [{"model_name": "chat", "litellm_params": at}],
            "general_settings": {"master_key": f"os.environ/{MASTER_KEY}"},
        }
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        python = gateway_python()
        litellm = python.with_name("litellm")
        at_port = ["--host", "127.0.0.1", "--port", str(self.port)]
        self._run(python, litellm, "--config", file, *at_port, env={MASTER_KEY: KEY})


@dataclass
class Deployed(Contender):
    """A gateway release as llmrack deploys it.

    + workers: processes on the one socket; a deploy starts one
    + monitored: whether it counts for Prometheus
    + logged: whether it notes requests, as each that is deployed does
    """

    workers: int = 1
    monitored: bool = False
    logged: bool = True

    def start(self) -> None:
        """Start it as systemd does: on a socket that is passed in; wait until each is READY."""
        files = release(self.monitored)
        if not self.logged:
            files["config.yaml"] = files["config.yaml"].replace(", gateway.hooks.request_log", "")
        write(self.folder, files)
        address = self.folder / "notify"
        address.unlink(missing_ok=True)
        env = {
            **{
                name: value or ""
                for name, value in dotenv_values(self.folder / "litellm.env").items()
            },
            "CONFIG_FILE_PATH": str(self.folder / "config.yaml"),
            "NOTIFY_SOCKET": str(address),
            MASTER_KEY: KEY,
        }
        listener = self._open.enter_context(
            socket.create_server(("127.0.0.1", self.port), backlog=4096)
        )
        states = self._open.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        states.bind(str(address))
        states.settimeout(DEADLINE)
        for _ in range(self.workers):
            self._run(
                *(sys.executable, "-c", PASS_SOCKET, str(listener.fileno())),
                *(gateway_python(), "-I", self.folder / "serve.py"),
                listener=listener,
                env=env,
            )
        for _ in range(self.workers):
            if states.recv(64) != b"READY=1":
                raise Spoilt(f"{self.name} does not start; see {self.folder}/log")


class Portkey(Contender):
    """Portkey's gateway (Node.js); it is told by headers where to ask."""

    def start(self) -> None:
        """Start it."""
        self._run("node", portkey(), "--headless", f"--port={self.port}")


def contenders(folder: Path) -> list[Contender]:
    """All, in the order in which they are measured; their files go below ``folder``."""
    host = f"http://127.0.0.1:{INSTANCE}"
    told = {"x-portkey-provider": "ollama", "x-portkey-custom-host": host}
    return [
        Direct("the instance, directly", folder / "direct", INSTANCE, {}),
        Defaults("LiteLLM, its defaults", folder / "defaults"),
        Deployed("LiteLLM, as deployed", folder / "deployed"),
        Deployed(f"as deployed, {WORKERS} processes", folder / "workers", workers=WORKERS),
        Portkey(f"Portkey {PEER}", folder / "portkey", headers=told),
    ]


def release(monitored: bool = False) -> dict[str, str]:
    """The files of a gateway release for one model on the gateway's own Ollama.

    + monitored: whether the host is in the group ``monitor``, too
    """
    stack = Stack.model_validate(
        {
            "providers": {"local": {"kind": "ollama", "group": "gpu"}},
            "models": {"chat": {"provider": "local"}},
        }
    )
    groups = {"gpu", GATEWAY_GROUP} | ({MONITOR_GROUP} if monitored else set())
    host = Host("box1", frozenset(groups), "127.0.0.1", Settings())
    site = Site(
        Declaration(stack, Fleet((host,)), (MASTER_KEY,), {}),
        {MASTER_KEY: StoredSecret(Secret(KEY), "the bench")},
        Places(CACHE / ".env", CACHE / "secrets.age"),
        CACHE / "keys.json",
    )
    made = gateway.resources(site, host, "", True)
    [found] = [each for each in made if isinstance(each, Release)]
    return dict(found.files)


def portkey() -> Path:
    """Portkey's program, from npm; kept in the lab's cache."""
    folder = CACHE / f"portkey-{PEER}"
    program = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        package = {
            "dependencies": {"@portkey-ai/gateway": PEER},
            "overrides": {"@hono/node-server": PEER_SERVER},
        }
        (folder / "package.json").write_text(json.dumps(package), encoding="utf-8")
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["npm", "install", "--prefix", folder, *quiet], check=True)
    return program
