"""What counts as an answer of a gateway, for systemd's watchdog."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmrack.shipped.gateway import watchdog


@contextmanager
def gateway(path: Path, answer: bytes) -> Iterator[None]:
    """A process that accepts one connection and says ``answer``; nothing: it keeps silent."""
    done = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1000).startswith(b"GET /health/liveliness HTTP/1.1\r\n")
            connection.sendall(answer)
            if not answer:
                done.wait(10)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "is_one"),
    [
        (b'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n""', True),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", False),
        (b"", False),
    ],
    ids=["well", "an error", "silence"],
)
def test_only_what_is_answered_well_counts(tmp_path: Path, answer: bytes, is_one: bool) -> None:
    path = tmp_path / "gateway.sock"
    with gateway(path, answer):
        assert watchdog.answers(str(path), 1) is is_one


def test_a_gateway_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    assert not watchdog.answers(str(tmp_path / "gateway.sock"), 1)
