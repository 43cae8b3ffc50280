"""Fixtures of the contract tests.

They run against the stand-in, which is built on the fly, or against the real Ollama in the archive
that ``LLMRACK_TEST_OLLAMA_ARCHIVE`` names: ``ollama-linux-<arch>.tar.zst`` of an official release.
"""

from __future__ import annotations

import base64
import struct
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrack_lab.standins.models import build_models
from llmrack_lab.standins.ollama_archive import build_archive
from llmrack_lab.standins.registry import Registry
from tests.contract.ollama_process import REAL_ARCHIVE, OllamaProcess, Remote, StartOllama


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin/ollama`` of an unpacked archive."""
    directory = tmp_path_factory.mktemp("release")
    archive = Path(REAL_ARCHIVE) if REAL_ARCHIVE else build_archive(directory)
    subprocess.run(["tar", "--zstd", "-xf", archive, "-C", directory], check=True)
    return directory / "bin" / "ollama"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with the lab's models on plain http."""
    server = Registry(("127.0.0.1", 0), build_models(tmp_path_factory.mktemp("registry")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def remote(registry: Registry) -> Remote:
    """Gives the name by which a model of that registry is pulled."""
    host, port = registry.server_address[:2]
    return lambda name: f"{host!s}:{port}/library/{name}"


@pytest.fixture(scope="session")
def start_ollama(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartOllama]:
    """Starts servers with the environment that is given; all are stopped in the end."""
    started: list[OllamaProcess] = []

    def start(
        home: Path | None = None, address: str = "127.0.0.1", **environment: str
    ) -> OllamaProcess:
        home = home or tmp_path_factory.mktemp("home")
        started.append(OllamaProcess(program, home, environment, address))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def ollama(start_ollama: StartOllama, remote: Remote) -> OllamaProcess:
    """A server that has a model of each kind, under its usual name."""
    server = start_ollama()
    for name in (
        *("llama3.1:latest", "llava:latest", "all-minilm:latest"),
        *("qwen3:latest", "gpt-oss:20b"),
    ):
        server.answer("/api/pull", model=remote(name), insecure=True)
        copied = server.post("/api/copy", source=remote(name), destination=name)
        assert copied.status_code == 200
        server.client.request("DELETE", "/api/delete", json={"model": remote(name)})
    return server


@pytest.fixture(scope="session")
def picture() -> str:
    """A red square of 32 by 32 pixels as PNG in base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff\0\0" * 32) * 32)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()
