"""The gateways of ``bench.failover``: LiteLLM in two ways, and ours, before the same instances."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import yaml

from bench.gateway_python import gateway_python
from bench.load import Spoilt
from bench.release import write
from llmrack.components.gateway.gateway import configuration, programs
from llmrack.components.gateway.routing import authorities, routing
from llmrack.secrets.places import MASTER_KEY
from llmrack.site.client_keys import NO_KEYS
from llmrack.stack.fleet import GATEWAY_GROUP, Fleet, Host
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings

ROOT = Path(__file__).parents[1]
KEY = "sk-bench-only-0123456789"
READY_DEADLINE = 120.0
# Scenario 2's deadline of a first token, in seconds.
FIRST_TOKEN = 5.0
# What fails over best without a callback, and cuts no plain answer that takes less than a minute.
# stream_timeout bounds the first token and every gap alike (seen with 1.106.2).
TUNED: dict[str, Any] = {
    "num_retries": 0,
    "enable_weighted_failover": True,
    "allowed_fails": 1,
    "cooldown_time": 10,
    "stream_timeout": 2,
    "timeout": 60,
}


@dataclass(frozen=True)
class Asked:
    """An instance of a name, as a gateway reaches it.

    + url: ending in /v1
    + authority: PEM of what its certificate is verified by; None for plain HTTP
    """

    url: str
    authority: str | None = None


# Public name → the instances to ask, in this order.
Names = Mapping[str, tuple[Asked, ...]]


def plain(names: Names, settings: Mapping[str, Any]) -> dict[str, str]:
    """Files of a LiteLLM that has these names and router settings, and nothing of ours."""
    rows, files = [], {}
    for name, instances in names.items():
        for order, at in enumerate(instances, 1):
            params: dict[str, Any] = {"model": "hosted_vllm/m", "api_base": at.url, "order": order}
            params["api_key"] = "none"
            if at.authority:
                params["ssl_verify"] = "authority.pem"
                files["authority.pem"] = at.authority
            rows.append(
                {
                    "model_name": name,
                    "litellm_params": params,
                    "model_info": {"id": f"{name}-{order}/{name}"},
                }
            )
    config = {
        "model_list": rows,
        "router_settings": dict(settings),
        "litellm_settings": {"callbacks": ["attempts.callback"]},
        "general_settings": {"master_key": f"os.environ/{MASTER_KEY}"},
    }
    return {"config.yaml": yaml.safe_dump(config), **files}


def ours(names: Names, watched: bool) -> dict[str, str]:
    """Files of a gateway release of ours with these names."""
    providers: dict[str, Any] = {}
    for name, instances in names.items():
        for order, at in enumerate(instances, 1):
            providers[f"{name}-{order}"] = {
                "kind": "vllm",
                "url": at.url,
                "priority": order,
                "first_token_timeout": FIRST_TOKEN,
                "health_check": watched,
                **({"tls_ca": at.authority} if at.authority else {}),
            }
    models = {
        name: {"provider": [f"{name}-{n + 1}" for n in range(len(at))], "model": "m"}
        for name, at in names.items()
    }
    stack = Stack.model_validate({"providers": providers, "models": models})
    host = Host("gateway", frozenset({GATEWAY_GROUP}), "127.0.0.1", Settings())
    fleet = Fleet((host,))
    listed = "callbacks: [gateway.hooks.routing"
    config = configuration(stack, fleet, host).replace(listed, f"{listed}, attempts.callback")
    return {
        "config.yaml": config,
        "routing.json": routing(stack, fleet, host),
        "keys.json": NO_KEYS,
        **authorities(stack),
        **programs(),
    }


class Gateway:
    """LiteLLM's proxy with the files of a folder, on loopback; a context manager."""

    def __init__(self, folder: Path, files: Mapping[str, str]) -> None:
        """Write ``files``, and the callback that notes attempts."""
        attempts = (ROOT / "bench" / "attempts.py").read_text()
        write(folder, {**files, "attempts.py": attempts})
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self._folder = folder

    def __enter__(self) -> Gateway:
        """Start it and wait until it serves; Spoilt when it does not."""
        python = gateway_python()
        at = ["--host", "127.0.0.1", "--port", str(self._port)]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [python, python.with_name("litellm"), "--config", "config.yaml", *at],
                cwd=self._folder,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self._folder),
                    # Where LiteLLM's own command line finds the package "gateway".
                    "PYTHONPATH": str(self._folder),
                    "CONFIG_FILE_PATH": str(self._folder / "config.yaml"),
                    "LITELLM_MODE": "PRODUCTION",
                    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                    MASTER_KEY: KEY,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + READY_DEADLINE
        with self.client(2) as client:
            while not _ready(client):
                if time.monotonic() > end or self._process.poll() is not None:
                    self._process.kill()
                    raise Spoilt(f"a gateway does not start; see {self._folder}/log")
                time.sleep(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def client(self, patience: float) -> httpx.Client:
        """A client of it that waits so many seconds for anything."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=patience,
            trust_env=False,
        )

    def attempts(self, deployment: str) -> int:
        """How often a deployment was asked for a client."""
        file = self._folder / "attempts"
        return file.read_text().splitlines().count(deployment) if file.exists() else 0


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/readiness").status_code == 200
    except httpx.TransportError:
        return False
