"""A gateway release run by hand, on loopback, in front of stand-ins: for tests of routing alone.

What it runs is what a deploy puts on a host; only systemd is left out.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from bench.release import write
from llmrack.components.gateway.gateway import configuration, programs, variables
from llmrack.components.gateway.routing import authorities, routing
from llmrack.site.client_keys import NO_KEYS
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import Stack

KEY = "sk-only-for-this-test"
READY_DEADLINE_S = 240.0


class GatewayProcess:
    """LiteLLM with the configuration of a stack.

    + python: of an environment with the pinned LiteLLM
    + folder: an empty one, for the release
    + fleet: the hosts; the first one is the gateway
    """

    def __init__(
        self,
        python: Path,
        folder: Path,
        stack: Stack,
        fleet: Fleet,
        secrets: dict[str, str],
        client_keys: str = NO_KEYS,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._address = f"127.0.0.1:{port}"
        self._python = python
        host: Host = fleet.hosts[0]
        files = {
            "config.yaml": configuration(stack, fleet, host),
            "routing.json": routing(stack, fleet, host),
            "keys.json": client_keys,
            **authorities(stack),
            **programs(),
        }
        write(folder, files)
        self.environment = {
            **os.environ,
            **dict(
                line.split("=", 1)
                for line in variables(stack, host).splitlines()
                if line and not line.startswith("#")
            ),
            "CONFIG_FILE_PATH": str(folder / "config.yaml"),
            "LITELLM_MASTER_KEY": KEY,
            **secrets,
        }
        self.client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=120,
            trust_env=False,
        )

    def __enter__(self) -> GatewayProcess:
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [self._python, "-I", self.folder / "serve.py", "--listen", self._address],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + READY_DEADLINE_S
        while True:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log
            try:
                if self.client.get("/health/readiness", timeout=1).status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.1)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        """What it has printed."""
        return (self.folder / "log").read_text(errors="replace")

    def chat(self, model: str, **body: Any) -> httpx.Response:
        """Ask it."""
        messages = [{"role": "user", "content": "Say hello."}]
        return self.client.post(
            "/v1/chat/completions", json={"model": model, "messages": messages} | body
        )
