"""Small declarations for tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from llmrack.secrets.places import Places
from llmrack.secrets.value import Secret, StoredSecret
from llmrack.site.site import Site
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.keys import IssuedKey
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings

STACK = {
    "providers": {
        "local": {"kind": "ollama", "group": "gpu"},
        "vllm": {"kind": "vllm", "url": "http://vllm:8000/v1"},
        "cloud": {"kind": "ollama-cloud", "api_key": "OLLAMA_API_KEY"},
    },
    "models": {
        "llama3.1:latest": {"provider": "local"},
        "embed": {"provider": "local", "model": "nomic-embed-text", "capabilities": ["embedding"]},
        "coder": {"provider": "vllm", "model": "Qwen/Coder"},
        "gpt-oss:20b-cloud": {"provider": "cloud", "capabilities": ["chat", "thinking"]},
    },
    "chains": {"llama3.1:latest": ["coder", "gpt-oss:20b-cloud"]},
    "default_chain": ["gpt-oss:20b-cloud"],
}
SHA = {"amd64": "a" * 64, "arm64": "b" * 64, "amd64-rocm": "f" * 64}


def stack(**changes: object) -> Stack:
    return Stack.model_validate(yaml.safe_load(yaml.safe_dump(STACK)) | changes)


def settings(**changes: object) -> Settings:
    return Settings.model_validate({"ollama_version": "0.34.4", "ollama_sha256": SHA} | changes)


def host(
    name: str = "box1",
    groups: Iterable[str] = ("gpu", "gateway"),
    address: str = "10.0.0.1",
    **changes: object,
) -> Host:
    return Host(name, frozenset(groups), address, settings(**changes))


def two_boxes(**changes: object) -> Fleet:
    lan: dict[str, Any] = {"ollama_bind": "0.0.0.0"} | changes
    return Fleet((host(**lan), host("box2", ("gpu",), "10.0.0.2", **lan)))


def site(
    stack_: Stack | None = None,
    fleet: Fleet | None = None,
    secrets: Mapping[str, Secret] | None = None,
    issued: Mapping[str, IssuedKey] | None = None,
) -> Site:
    """What is declared, with the values of ``secrets``."""
    kept = {name: StoredSecret(value, ".env") for name, value in (secrets or {}).items()}
    whole = replace(declaration(stack_, fleet, kept), issued=issued or {})
    return Site(whole, kept, Places(Path(".env"), Path("secrets.age")), Path("keys.json"))


def declaration(
    stack_: Stack | None = None,
    fleet: Fleet | None = None,
    secrets: Collection[str] = ("OLLAMA_API_KEY",),
) -> Declaration:
    return Declaration(stack_ or stack(), fleet or two_boxes(), secrets, {})
