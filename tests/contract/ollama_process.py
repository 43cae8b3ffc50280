"""A private Ollama for the contract tests: the stand-in, or a real one from an archive."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests import DEADLINE

REAL_ARCHIVE = os.environ.get("LLMRACK_TEST_OLLAMA_ARCHIVE")
"""The archive of a real Ollama to test instead of the stand-in."""

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

Remote = Callable[[str], str]
"""Gives the name by which a model of the test's registry is pulled."""

_START_DEADLINE_S = 60.0


class OllamaProcess:
    """One running ``ollama serve`` with a home, a models directory and a port of its own.

    Args:
        program: ``bin/ollama``.
        home: an empty directory.
        environment: further variables for the server.
        address: what it listens on; it is reached at 127.0.0.1 in any case.
    """

    def __init__(
        self, program: Path, home: Path, environment: dict[str, str], address: str = "127.0.0.1"
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.program = program
        self.models = home / "models"
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "OLLAMA_HOST": f"{address}:{port}",
            "OLLAMA_MODELS": str(self.models),
            "OLLAMA_NO_CLOUD": "1",
            **environment,
        }
        self.log = home / "serve.log"
        self.client = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "serve"], env=self.environment, stdout=log, stderr=log
            )
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                self.client.get("/api/version").raise_for_status()
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"ollama serve did not start:\n{self.log.read_text()}")

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def stop(self) -> int:
        """Stop the server; returns its exit status."""
        self.client.close()
        self._process.terminate()
        return self._process.wait(timeout=DEADLINE)

    def get(self, path: str) -> Any:
        """The JSON that a GET gives."""
        return self.client.get(path).raise_for_status().json()

    def post(self, path: str, **body: Any) -> httpx.Response:
        """The answer to a POST, whatever its status."""
        return self.client.post(path, json=body)

    def answer(self, path: str, **body: Any) -> Any:
        """The JSON of a POST that is not streamed and has to succeed."""
        response = self.post(path, stream=False, **body)
        assert response.status_code == 200, response.text
        return response.json()

    def lines(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """The objects of a streamed answer with status 200."""
        with self.client.stream("POST", path, json=body) as response:
            assert response.status_code == 200
            assert response.headers["content-type"] == "application/x-ndjson"
            return [json.loads(line) for line in response.iter_lines()]

    def events(self, path: str, **body: Any) -> Iterator[str]:
        """The data of the server-sent events of a streamed answer."""
        with self.client.stream("POST", path, json={**body, "stream": True}) as response:
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/event-stream"
            for line in response.iter_lines():
                if line:
                    field, _, data = line.partition(": ")
                    assert field == "data"
                    yield data

    def loaded(self) -> dict[str, dict[str, Any]]:
        """The entries of ``/api/ps`` by name."""
        return {model["name"]: model for model in self.get("/api/ps")["models"]}

    def names(self) -> set[str]:
        """The names that ``/api/tags`` lists."""
        return {model["name"] for model in self.get("/api/tags")["models"]}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a client command; whatever its exit status."""
        return subprocess.run(
            [self.program, *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )


StartOllama = Callable[..., OllamaProcess]
"""Starts a server: ``start(home=None, address="127.0.0.1", **environment)``."""


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and message of an answer in Ollama's form of errors."""
    return response.status_code, response.json()["error"]
