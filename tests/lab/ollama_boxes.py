"""Ollama servers of our own on loopback, as a gateway's inventory has them, without hosts."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llmrack.stack.fleet import Host
from llmrack.stack.settings import Settings
from llmrack_lab.standins.models import build_models
from llmrack_lab.standins.ollama_archive import build_archive
from llmrack_lab.standins.registry import Registry
from tests.contract.ollama_process import REAL_ARCHIVE, OllamaProcess


@contextlib.contextmanager
def ollama_boxes(
    folder: Path, models: Sequence[str], names: Sequence[str] = ("box1", "box2"), **environment: str
) -> Iterator[dict[str, OllamaProcess]]:
    """One server for each of ``names``, with these models of the lab's catalogue.

    + folder: an empty one
    + environment: of the servers
    """
    release = folder / "release"
    release.mkdir()
    archive = Path(REAL_ARCHIVE) if REAL_ARCHIVE else build_archive(release)
    subprocess.run(["tar", "--zstd", "-xf", archive, "-C", release], check=True)
    registry = Registry(("127.0.0.1", 0), build_models(folder / "registry"))
    threading.Thread(target=registry.serve_forever, daemon=True).start()
    with contextlib.ExitStack() as opened:
        opened.callback(registry.server_close)
        opened.callback(registry.shutdown)
        found = {}
        for name in names:
            (folder / name).mkdir()
            box = OllamaProcess(release / "bin" / "ollama", folder / name, environment)
            opened.callback(box.stop)
            for model in models:
                at = f"127.0.0.1:{registry.server_address[1]}/library/{model}"
                box.answer("/api/pull", model=at, insecure=True)
                assert box.post("/api/copy", source=at, destination=model).status_code == 200
            found[name] = box
        yield found


def host_of(name: str, box: OllamaProcess, **settings: Any) -> Host:
    """The host in an inventory that runs it."""
    return host_at(name, int(box.url.rpartition(":")[2]), **settings)


def host_at(name: str, port: int, **settings: Any) -> Host:
    """A host whose Ollama is reached on a port of loopback."""
    its = Settings.model_validate({"ollama_port": port, **settings})
    return Host(name, frozenset({"gpu"}), "127.0.0.1", its)


def asked(box: OllamaProcess, path: str, model: str) -> list[dict[str, Any]]:
    """The requests at a path for a model, as the stand-in remembers them."""
    requests: list[dict[str, Any]] = box.get("/__standin__/requests")["requests"]
    return [
        each
        for each in requests
        if each["path"] == path and (each["body"] or {}).get("model") == model
    ]
