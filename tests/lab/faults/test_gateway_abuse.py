"""Clients of a gateway that misbehave: the others are answered, and its process goes on.

Host: box1 (gpu, gateway); the clients are outside it.
"""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from llmrack_lab.shell import wait_until
from tests.lab.bad_release import HOST, Gateway
from tests.lab.faults.malformed import Request, requests
from tests.lab.faults.table import record
from tests.lab.serving import DEADLINE, MODEL, Serving
from tests.lab.site import Site

PATH = "/v1/chat/completions"
# MiB that a gateway may have grown by after all that is done to it here.
GROWTH = 400
# Seconds within which the others have to be answered. Machines of tests are busy.
PATIENCE = 20.0
MANY = 5000
READERS, LONG = 50, 500_000
# Whatever tells of a gateway's insides.
INSIDES = (b"Traceback", b"site-packages", b"/home/", b".py")


@pytest.fixture(scope="module")
def serving(module_site: Site, fresh: Callable[[str], None]) -> Serving:
    fresh(HOST)
    made = Gateway(module_site)
    made.deployed()
    return Serving(made)


@pytest.fixture(autouse=True)
def _the_same_process_serves(serving: Serving) -> Iterator[None]:
    """Nothing here ends the process, or makes it grow without bound."""
    pid, memory = serving.pid, serving.memory
    yield
    # What is malformed can cost a connection to Ollama, which rests for a moment then.
    assert wait_until(lambda: serving.chat(timeout=PATIENCE).status_code == 200, DEADLINE)
    assert serving.pid == pid
    assert serving.memory < memory + GROWTH


@pytest.fixture
def many_files() -> Iterator[None]:
    """More of them than a process usually has."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def connections(serving: Serving, number: int) -> Iterator[list[socket.socket]]:
    """So many connections to the gateway."""
    with contextlib.ExitStack() as stack:
        address = serving.address, 4000
        yield [
            stack.enter_context(socket.create_connection(address, timeout=DEADLINE))
            for _ in range(number)
        ]


def head(serving: Serving, *more: str, method: str = "POST", path: str = PATH) -> bytes:
    """The first lines of a request, up to the empty one."""
    own = [f"{name}: {value}" for name, value in serving.headers.items()]
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway", *own, *more]
    return "".join(f"{line}\r\n" for line in lines).encode()


def body(text: str = "Say hello.", **more: object) -> bytes:
    messages = [{"role": "user", "content": text}]
    return json.dumps({"model": MODEL, "messages": messages, **more}).encode()


def answered(client: socket.socket, patience: float = PATIENCE) -> bytes:
    """Everything that comes until the gateway closes the connection, or says no more."""
    client.settimeout(patience)
    received = b""
    with contextlib.suppress(OSError):
        while piece := client.recv(65536):
            received += piece
    return received


@pytest.mark.usefixtures("many_files")
def test_thousands_of_idle_connections_hold_nobody_up(serving: Serving) -> None:
    memory = serving.memory
    with connections(serving, MANY):
        began = time.monotonic()
        assert serving.chat(timeout=PATIENCE).status_code == 200
        taken = time.monotonic() - began
        grown = serving.memory - memory
        assert wait_until(lambda: open_files(serving) > MANY, DEADLINE)
    assert wait_until(lambda: open_files(serving) < 500, DEADLINE)
    assert taken < PATIENCE
    record(
        f"gateway: {MANY:,} open connections",
        "others are answered, memory stays bounded",
        f"answered while they were open; {grown} MiB more; all closed with their clients",
    )


def open_files(serving: Serving) -> int:
    return int(serving.gateway.on(f"ls /proc/{serving.pid}/fd | wc -l"))


def test_heads_that_come_in_dribbles_hold_nobody_up_and_end(serving: Serving) -> None:
    pieces = iter(head(serving, "Content-Length: 2") * 9)
    with connections(serving, 200) as clients:
        began = time.monotonic()

        def are_closed() -> bool:
            piece = bytes([next(pieces)])
            for client in clients:
                with contextlib.suppress(OSError):
                    client.send(piece)
            return all(is_closed(client) for client in clients)

        assert not are_closed()
        assert serving.chat(timeout=PATIENCE).status_code == 200
        # IDLE_SECONDS in serve.py.
        assert wait_until(are_closed, 75 + PATIENCE, every=1)
        taken = time.monotonic() - began
    assert taken > 60
    record(
        "gateway: 200 clients send their heads a byte a second",
        "others are answered, the slow ones are sent away",
        "others answered; all 200 closed after 75 s without a whole head",
    )


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0)
    try:
        return client.recv(1000) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_slow_readers_hold_nobody_up(serving: Serving) -> None:
    # The stand-in says what a schema wants: more than fits into the buffers on the way.
    schema = {"type": "object", "properties": {"long": {"const": "x" * LONG}}}
    form = {"type": "json_schema", "json_schema": {"name": "long", "schema": schema}}
    request = body(stream=True, response_format=form)
    with connections(serving, READERS) as clients:
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.sendall(head(serving, f"Content-Length: {len(request)}") + b"\r\n" + request)
        for _ in range(3):
            assert all(client.recv(1) for client in clients)
            assert serving.chat(timeout=PATIENCE).status_code == 200
        # The first one comes to the end after all.
        assert len(answered(clients[0], 5)) > LONG
    record(
        f"gateway: {READERS} clients that read their streams a byte at a time",
        "others are answered, memory stays bounded",
        "others answered; same process",
    )


def send(serving: Serving, content: bytes, **headers: str) -> httpx.Response:
    return httpx.post(
        f"http://{serving.address}:4000{PATH}",
        headers={"Content-Type": "application/json", **serving.headers, **headers},
        content=content,
        timeout=DEADLINE,
        trust_env=False,
    )


def test_a_body_of_100_mb_is_refused(serving: Serving) -> None:
    content = body("x" * 100_000_000)
    assert send(serving, content).status_code == 413

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 1_000_000):
            yield content[start : start + 1_000_000]

    unsized = httpx.post(
        f"http://{serving.address}:4000{PATH}",
        headers=serving.headers,
        content=pieces(),
        timeout=DEADLINE,
        trust_env=False,
    )
    assert unsized.status_code == 413
    record(
        "gateway: bodies of 100 MB, with and without a length",
        "refused, memory stays bounded",
        "413 (32 MiB are the limit); same process",
    )


def test_a_head_of_1_mb_is_refused(serving: Serving) -> None:
    with connections(serving, 1) as (client,):
        with contextlib.suppress(OSError):
            client.sendall(head(serving, f"X-Long: {'x' * 1_000_000}", "Content-Length: 0"))
        said = answered(client)
    assert said == b"" or said.startswith(b"HTTP/1.1 400 ")
    record("gateway: a head of 1 MB", "refused", "400 and the connection is closed; same process")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_that_is_nested_too_deeply_is_refused(serving: Serving, opening: str) -> None:
    deep = opening * 100_000
    content = body().replace(b'"Say hello."', deep.encode())
    answer = send(serving, content)
    assert 400 <= answer.status_code < 500, answer.text
    assert not [each for each in INSIDES if each in answer.content]
    record(
        f"gateway: JSON with 100,000 levels of {opening[0]}",
        "refused",
        f"{answer.status_code}, without a word of its insides; same process",
    )


def test_malformed_requests_are_answered_without_a_word_of_its_insides(serving: Serving) -> None:
    seen: Counter[str] = Counter()
    keys = [value.encode() for value in serving.keys.values() if value]

    @settings(
        max_examples=300,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests())
    def ask(request: Request) -> None:
        own = (*request.lines, "Connection: close")
        lines = head(serving, *own, method=request.method, path=request.path)
        with connections(serving, 1) as (client,):
            with contextlib.suppress(OSError):
                client.sendall(lines + b"\r\n" + request.body)
            # Some of them never end, as the gateway has to see it.
            said = answered(client, 1)
        seen[said[9:12].decode() if said else "none"] += 1
        assert said == b"" or said.startswith(b"HTTP/1.1 ")
        assert not [each for each in (*INSIDES, *keys) if each in said], said

    ask()
    record(
        f"gateway: {seen.total()} malformed requests, made up by hypothesis",
        "answered or waited for, no secret and no traceback in an answer",
        ", ".join(f"{count}x {status}" for status, count in sorted(seen.items())),
    )
