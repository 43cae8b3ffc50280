"""Models that are made on a host: the files they need are sent, then Ollama is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from llmrack.deploy.run.rack import Rack
from llmrack.deploy.transfer.obtain import obtain_blob
from llmrack.hosts.progress import transfer
from llmrack.hosts.tunnel import http_client
from llmrack.resources.change import Build

CHUNK = 1 << 20


def build(rack: Rack, action: Build) -> str:
    """Make a model; the reason why it failed, or an empty text."""
    for name, digest in action.files:
        path = rack.run.folder / name
        put = partial(_put, rack, action, path, digest)
        reason = obtain_blob(rack, f"sha256:{digest}", put, action.stall)
        if reason:
            return reason
    reason = _ask(rack, action)
    if not reason:
        rack.note_model(action.model)
    return reason


def _put(rack: Rack, action: Build, path: Path, digest: str) -> str:
    """Send a file to Ollama as a blob; it checks the digest itself."""
    size = path.stat().st_size
    with (
        http_client(rack.pyinfra_host, action.url) as client,
        path.open("rb") as file,
        transfer(rack.pyinfra_host, path.name) as meter,
    ):

        def chunks() -> Iterator[bytes]:
            while chunk := file.read(CHUNK):
                yield chunk
                meter(file.tell(), size)

        try:
            answer = client.post(
                f"/api/blobs/sha256:{digest}",
                content=chunks(),
                headers={"Content-Length": str(size)},
                timeout=httpx.Timeout(action.stall),
            )
        except httpx.HTTPError as error:
            return f"{path} could not be sent ({error})"
    return "" if answer.is_success else f"Ollama refused {path}: {answer.text:.200}"


def _ask(rack: Rack, action: Build) -> str:
    """A creation that fails is HTTP 200 with an error as its last line."""
    body = json.loads(action.request)
    try:
        with (
            http_client(rack.pyinfra_host, action.url) as client,
            client.stream(
                "POST", action.path, json=body, timeout=httpx.Timeout(action.stall)
            ) as response,
        ):
            said: dict[str, Any] = {}
            for line in response.iter_lines():
                said = json.loads(line) if line else said
                if "error" in said:
                    its = " or ".join(["its declaration", *(name for name, _ in action.files)])
                    return f"Ollama says: {said['error']}; correct {its}"
            if response.status_code != 200:
                return f"Ollama answered {response.status_code}"
            # A copy is answered without a word.
            if said.get("status") == "success" or (not said and action.path == "/api/copy"):
                return ""
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        return f"the connection to Ollama broke ({error})"
    return "the creation ended without Ollama's word 'success'"
