"""The lab's mirror and registry as this machine, which does not know their names, reaches them."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import httpx

from llmrack_lab.base import host_architecture
from llmrack_lab.lab import Lab


def registry_of(lab: Lab) -> str:
    """The URL of the registry."""
    return lab.control("registry").removesuffix("/__standin__")


def mirror_of(lab: Lab) -> str:
    """The URL of the mirror, which is at the same address."""
    return registry_of(lab).replace("https://", "http://")


def archive_path(lab: Lab) -> Path:
    """The archive of the release that the lab's hosts get; the mirror may have others."""
    version = str(_settings(lab)["ollama_version"])
    return lab.folder / "mirror" / f"v{version}" / f"ollama-linux-{host_architecture()}.tar.zst"


def archive_url(lab: Lab) -> str:
    """The same file, as hosts fetch it."""
    path = archive_path(lab)
    return f"{_settings(lab)['ollama_mirror']}/{path.parent.name}/{path.name}"


def _settings(lab: Lab) -> dict[str, object]:
    settings: dict[str, object] = json.loads((lab.folder / "settings.json").read_text())
    return settings


def trusted(lab: Lab, folder: Path) -> str:
    """A file in ``folder`` with this machine's authorities and the lab's."""
    own = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
    file = folder / "trusted.pem"
    file.write_text(f"{own.read_text()}\n{lab.authority.read_text()}")
    return str(file)


def bytes_sent(lab: Lab) -> int:
    """What the registry has sent so far."""
    context = ssl.create_default_context(cafile=str(lab.authority))
    answer = httpx.get(f"{lab.control('registry')}/bytes", verify=context, trust_env=False)
    return int(answer.json()["bytes_sent"])
