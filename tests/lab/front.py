"""A gateway on loopback in front of instances that fail on command."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import trustme

from bench.asking import Outcome, ask
from bench.breakable import Breakable
from llmrack.site.client_keys import NO_KEYS
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings
from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.cloud import Cloud
from llmrack_lab.standins.openai_like import OpenAILike
from llmrack_lab.standins.remote import Attic
from llmrack_lab.standins.vllm import VLLM
from tests.lab.gateway_process import GatewayProcess
from tests.lab.site import ROOT

# The keys of providers, by the names of the secrets.
SECRETS = {"PROVIDER_KEY": "the-key-of-most-providers", "OTHER_KEY": "the-key-of-one-provider"}
SECRET = SECRETS["PROVIDER_KEY"]
COOLDOWN = 2.0
MODELS = [Model("m"), Model("other"), Model("embed", dimensions=4)]
# Kind of a provider → its stand-in, and where its API begins.
KINDS: dict[str, tuple[Any, str]] = {
    "vllm": (lambda: VLLM(MODELS, SECRET), "/v1"),
    "openai-compatible": (lambda: OpenAILike(MODELS, SECRET), "/v1"),
    "ollama-cloud": (lambda: Cloud(MODELS, SECRET), ""),
    "ollama-remote": (
        lambda: Attic([Model(f"{each.name}:latest", each.dimensions) for each in MODELS], SECRET),
        "",
    ),
}
# Short, so that tests are; as with real ones, all of them are longer than an answer takes to begin.
QUICK = {"connect_timeout": 1, "first_token_timeout": 2, "stream_timeout": 2}


def breakable(kind: str, authority: trustme.CA | None = None) -> Breakable:
    """A stand-in of such a provider."""
    return Breakable(KINDS[kind][0](), authority)


def provider(kind: str, at: Breakable, **settings: Any) -> dict[str, Any]:
    """Its entry in a stack."""
    url = at.url + KINDS[kind][1]
    return {"kind": kind, "url": url, "api_key": "PROVIDER_KEY", **QUICK, **settings}


class Front:
    """The gateway; it notes each attempt."""

    def __init__(
        self,
        python: Path,
        folder: Path,
        stack: dict[str, Any],
        hosts: tuple[Host, ...] = (),
        client_keys: str = NO_KEYS,
    ) -> None:
        settings = Settings.model_validate({"gateway_cooldown": COOLDOWN})
        gateway = Host("gateway", frozenset({"gateway"}), "127.0.0.1", settings)
        self.process = GatewayProcess(
            python,
            folder,
            Stack.model_validate(stack),
            Fleet((gateway, *hosts)),
            SECRETS,
            client_keys,
        )
        self._folder = folder
        (folder / "attempts.py").write_text((ROOT / "bench" / "attempts.py").read_text())
        config = folder / "config.yaml"
        ours = "callbacks: [gateway.hooks.routing"
        assert ours in config.read_text()
        config.write_text(config.read_text().replace(ours, f"{ours}, attempts.callback"))

    def __enter__(self) -> Front:
        self.process.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.__exit__(kind, error, trace)

    def ask(self, model: str, stream: bool = False, **body: Any) -> Outcome:
        """Ask it once, as a client."""
        return ask(self.process.client, model, stream, **body)

    def attempts(self, deployment: str) -> int:
        """How often an instance was asked for a client, whether that reached it or not."""
        file = self._folder / "attempts"
        return file.read_text().splitlines().count(deployment) if file.exists() else 0
