"""A pod that ends waits until nobody is connected any more (templates/kube/drain.sh)."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import DEADLINE

SCRIPT = Path(__file__).parents[3] / "templates" / "kube" / "drain.sh"


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family, address = request.param
    with socket.create_server((address, 0), family=family) as made:
        yield made


def drain(listener: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", SCRIPT, str(listener.getsockname()[1]), "0"])


def test_nobody_is_waited_for_where_nobody_is_connected(listener: socket.socket) -> None:
    assert drain(listener).wait(timeout=DEADLINE) == 0


def test_who_is_connected_is_waited_for(listener: socket.socket) -> None:
    client = socket.create_connection(listener.getsockname()[:2])
    server, _ = listener.accept()
    process = drain(listener)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        client.close()
        server.close()
        assert process.wait(timeout=DEADLINE) == 0
    finally:
        process.kill()


def test_who_is_connected_to_another_port_is_not_waited_for(listener: socket.socket) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_connection(other.getsockname()),
    ):
        assert drain(listener).wait(timeout=DEADLINE) == 0
