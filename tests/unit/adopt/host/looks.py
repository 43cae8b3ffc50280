"""Small looks at hosts, as the program that is sent there prints them."""

from __future__ import annotations

from typing import Any

from llmrack.adopt.host.seen import HostSeen, servers_of
from llmrack.components.gpu.gpus import Gpus
from llmrack.components.gpu.states import FINE

LLAMA = "registry.ollama.ai/library/llama3.2/latest"
EMBED = "registry.ollama.ai/library/nomic-embed-text/v1.5"
VOLUME = "/var/lib/docker/volumes/ollama/_data/models"
PLACE = {"closed": "", "mount": "/", "is_beside": True}


def model(size: int, *families: str, is_remote: bool = False) -> dict[str, Any]:
    return {"size": size, "families": list(families), "is_remote": is_remote}


def server(program: str = "ollama", **fields: Any) -> dict[str, Any]:
    """A server as a unit of the system's, unless the fields say something else."""
    return {
        "program": program,
        "pid": 812,
        "user": "root",
        "unit": f"{program}.service",
        "owner": "",
        "active": "active",
        "enabled": "enabled",
        "files": [f"/etc/systemd/system/{program}.service"],
        "container": None,
        "config": "",
        "listens": [],
        "environment": {},
        "names": [],
        **fields,
    }


def ollama(**fields: Any) -> dict[str, Any]:
    """An Ollama as the official installer makes it."""
    about = {
        "user": "ollama",
        "home": "/usr/share/ollama",
        "folder": "/usr/share/ollama/.ollama/models",
        "inner_folder": "/usr/share/ollama/.ollama/models",
        "place": PLACE,
        "version": "0.12.3",
        "models": {LLAMA: model(2_000_000_000, "llama"), EMBED: model(300_000_000, "nomic-bert")},
        "listed": {},
        "callers": [],
        "listens": [["127.0.0.1", 11434]],
        "names": ["PATH"],
    }
    return server(**{**about, **fields})


def boxed(container: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An Ollama in a container of root's Docker."""
    box = {
        "runtime": "docker",
        "name": "ollama",
        "image": "ollama/ollama",
        "restarts": "always",
        "unit": "",
        "compose": "",
        "published": [[11434, "", 11434]],
        "is_on_host_network": False,
        "config": "",
        **(container or {}),
    }
    about = {
        "user": "root",
        "home": "/root",
        "unit": "",
        "enabled": "",
        "files": [],
        "container": box,
        "folder": VOLUME,
        "inner_folder": "/root/.ollama/models",
        "place": {**PLACE, "closed": "/var/lib/docker"},
        "environment": {"OLLAMA_HOST": "0.0.0.0:11434"},
    }
    return ollama(**{**about, **fields})


def host(*servers: dict[str, Any], gpus: Gpus | None = None, **more: Any) -> HostSeen:
    seen = servers_of({"servers": servers})
    return HostSeen("Debian 12, x86_64", gpus or Gpus(FINE), seen, **more)
