"""The HTTP client of the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from .errors import ApiError
from .types import JsonObject


class NotRunning(Exception):
    """No server answers at OLLAMA_HOST."""


class Client:
    """Requests to one server.

    Args:
        host: its address; an address that stands for all of them is replaced by loopback.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (replaced)
        self._port = port

    def get(self, path: str) -> JsonObject:
        """The JSON object that a GET gives.

        Raises:
            NotRunning: no server answers.
            ApiError: the server refused; also raised by the other methods.
        """
        return self._object("GET", path, None)

    def post(self, path: str, body: JsonObject) -> JsonObject:
        """The JSON object that a POST gives, ``{}`` for an empty answer."""
        return self._object("POST", path, {**body, "stream": False})

    def delete(self, path: str, body: JsonObject) -> None:
        """Send a DELETE."""
        self._object("DELETE", path, body)

    def stream(self, path: str, body: JsonObject) -> Iterator[JsonObject]:
        """The lines that a POST gives, as they come; a line with an error raises it."""
        with self._open("POST", path, json.dumps(body).encode()) as response:
            for line in response:
                yield _checked(response.status, json.loads(line))

    def upload(self, digest: str, path: Path) -> None:
        """Upload a file as a blob, unless the server has it."""
        try:
            self._open("HEAD", f"/api/blobs/{digest}", None).close()
        except ApiError:
            with path.open("rb") as file:
                self._open("POST", f"/api/blobs/{digest}", file).close()

    def _object(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        data = None if body is None else json.dumps(body).encode()
        with self._open(method, path, data) as response:
            content = response.read()
        answer: JsonObject = json.loads(content) if content else {}
        return answer

    def _open(self, method: str, path: str, data: bytes | BinaryIO | None) -> HTTPResponse:
        connection = HTTPConnection(self._host, self._port)
        try:
            connection.request(method, path, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
        except OSError:
            raise NotRunning from None
        if response.status >= 400:
            content = response.read()
            _checked(response.status, json.loads(content) if content else {"error": "failed"})
        return response


def _checked(status: int, answer: JsonObject) -> JsonObject:
    if "error" in answer:
        raise ApiError(status, answer["error"])
    return answer
