"""Prove a gateway release before it serves: a real start on a spare port, strictly checked first.

Run in the release's environment, with the keys as the service has them:
``python -I gate.py RELEASE/config.yaml``.
Exits 0 when the release answers for exactly the names it configures, else 1 with the reason.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from .load_keys import load_keys

DEADLINE = 120.0
# serve.py's exit status if --strict finds mistakes; it prints them itself.
MISTAKES = 4


def main() -> int:
    """Start the release and ask it; its last lines are printed if it fails. Returns 0 or 1."""
    config = Path(sys.argv[1])
    environment = dict(os.environ)
    for line in config.with_name("litellm.env").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            environment[name] = value
    environment["CONFIG_FILE_PATH"] = str(config)
    # For the requests here; the candidate reads the keys itself.
    load_keys()
    port, serve = _spare_port(), config.with_name("serve.py")
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        server = subprocess.Popen(  # noqa: S603  (our own program, no shell)
            [sys.executable, "-I", serve, "--strict", "--listen", f"127.0.0.1:{port}"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            reason = _prove(server, f"http://127.0.0.1:{port}", config)
        finally:
            server.kill()
            server.wait()
        if reason:
            log.seek(0)
            if server.returncode != MISTAKES:
                print(f"the candidate on a spare port failed: {reason}")
            lines = log.readlines()
            print("".join(_causes(lines) or lines[-15:]))
            return 1
    return 0


def _spare_port() -> int:
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        port: int = spare.getsockname()[1]
        return port


def _prove(server: subprocess.Popen[bytes], url: str, config: Path) -> str:
    """The reason why the release fails, or an empty text."""
    configured = yaml.safe_load(config.read_text())
    declared = {row["model_name"] for row in configured["model_list"]}
    declared |= set(configured["router_settings"].get("model_group_alias") or {})
    # LiteLLM lists every model that it knows of a wildcard's provider.
    wildcards = tuple(name.removesuffix("*") for name in declared if name.endswith("*"))
    key = {"Authorization": f"Bearer {os.environ['LITELLM_MASTER_KEY']}"}
    end = time.monotonic() + DEADLINE
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        while True:
            if server.poll() is not None:
                return f"it ended with {server.returncode}"
            if time.monotonic() > end:
                return f"it was not ready within {DEADLINE:.0f} s"
            try:
                if client.get("/health/readiness").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        listed = client.get("/v1/models?return_wildcard_routes=true", headers=key).json()["data"]
        served = {row["id"] for row in listed}
        stray = {name for name in served - declared if not name.startswith(wildcards)}
        if stray or declared - served:
            return f"it serves {sorted(served)} where {sorted(declared)} is configured"
        if reason := _not_started(client, key, configured):
            return reason
        wrong = client.get("/v1/models", headers={"Authorization": "Bearer sk-wrong"})
        if wrong.status_code != 401:
            return f"it answers a wrong key with {wrong.status_code} instead of 401"
    return ""


def _not_started(client: httpx.Client, key: dict[str, str], configured: dict[str, Any]) -> str:
    """What LiteLLM has left out with only a line in its log, or an empty text."""
    # A callback that works is an object there; one that failed is still a name. LiteLLM starts the
    # callbacks of other settings, such as success_callback, only with a request.
    active = client.get("/active/callbacks", headers=key).json()["litellm.callbacks"]
    declared = configured["litellm_settings"]["callbacks"]
    if failed := [name for name in declared if name in active]:
        return f"it cannot start the callbacks {failed} of litellm_settings; mend or remove them"
    wanted = {guardrail["guardrail_name"] for guardrail in configured.get("guardrails") or []}
    if wanted:
        listed = client.get("/v2/guardrails/list", headers=key).json()["guardrails"]
        if lacking := sorted(wanted - {guardrail["guardrail_name"] for guardrail in listed}):
            return f"it runs without the guardrails {lacking}; mend or remove them"
    return ""


def _causes(lines: list[str]) -> list[str]:
    """The lines that say why a callback or a guardrail was left out."""
    words = ("Error initializing custom logger", "Skipping guardrail")
    messages = []
    for line in lines:
        if any(word in line for word in words):
            try:
                messages.append(f"{json.loads(line)['message']}\n")
            except (ValueError, KeyError, TypeError):
                messages.append(line)
    return messages
