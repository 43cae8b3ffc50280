"""The program that a gateway release runs, with the pinned LiteLLM: its socket, start and end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from bench.release import write
from llmrack.components.gateway.gateway import programs
from llmrack_lab.shell import wait_until
from llmrack_lab.standins.answers import Model
from llmrack_lab.standins.program import StandIn
from llmrack_lab.standins.provider import Fault
from llmrack_lab.standins.vllm import VLLM
from tests import DEADLINE

KEY = "sk-only-for-this-test"
START_DEADLINE = 240.0
ANYWHERE = ("127.0.0.1", 0)

# What systemd does: the socket becomes descriptor 3 of the process that it names.
PASS_SOCKET = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3);"
    " os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
    " os.execv(sys.argv[2], sys.argv[2:])"
)


@pytest.fixture
def vllm() -> Iterator[StandIn]:
    with StandIn(VLLM([Model("qwen")], ""), ANYWHERE, ANYWHERE) as standin:
        yield standin


@pytest.fixture
def config(tmp_path: Path, vllm: StandIn) -> Path:
    base = "http://{}:{}/v1".format(*vllm.address)
    params = {"model": "hosted_vllm/qwen", "api_base": base, "api_key": "none"}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({"model_list": [{"model_name": "m", "litellm_params": params}]}))
    # What it tells of models lies beside it.
    write(tmp_path, programs() | {"routing.json": '{"groups": {}, "aliases": {}}'})
    return file


def environment(config: Path) -> dict[str, str]:
    return os.environ | {
        "CONFIG_FILE_PATH": str(config),
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": KEY,
        "GRACEFUL_SHUTDOWN_TIMEOUT": "30",
    }


def refused(gateway_python: Path, config: Path, *arguments: str) -> str:
    """Start in vain and return what it said."""
    command = [gateway_python, "-I", config.with_name("serve.py"), *arguments]
    env = environment(config)
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_it_takes_no_other_port_than_the_one_asked_for(
    gateway_python: Path, config: Path, vllm: StandIn
) -> None:
    taken = "{}:{}".format(*vllm.address)
    said = refused(gateway_python, config, "--listen", taken)
    assert f"cannot listen on {taken}: Address already in use" in said


def test_it_needs_the_socket_of_systemd(gateway_python: Path, config: Path) -> None:
    assert "systemd passed 0 sockets, 1 is needed" in refused(gateway_python, config)


def test_it_names_a_configuration_that_is_missing(gateway_python: Path, tmp_path: Path) -> None:
    write(tmp_path, programs())
    said = refused(gateway_python, tmp_path / "none.yaml", "--listen", "127.0.0.1:1")
    assert f"cannot read {tmp_path / 'none.yaml'}" in said


@dataclass(frozen=True)
class Gateway:
    """A gateway that serves a passed socket at `address`, and the socket that hears its states."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    states: socket.socket


@contextmanager
def started(python: Path, config: Path, tmp_path: Path, **variables: str) -> Iterator[Gateway]:
    """A gateway that has just got ready."""
    states = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    states.bind(str(tmp_path / "notify"))
    states.settimeout(START_DEADLINE)
    listener = socket.create_server(ANYWHERE)
    fd = str(listener.fileno())
    with states, listener, (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PASS_SOCKET, fd, python, "-I", config.with_name("serve.py")],
            env=environment(config) | {"NOTIFY_SOCKET": str(tmp_path / "notify")} | variables,
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            assert states.recv(64) == b"READY=1"
            yield Gateway(process, listener.getsockname(), states)
        finally:
            process.kill()
            process.wait()
            log.seek(0)
            print(log.read()[-3000:])


@pytest.fixture
def gateway(gateway_python: Path, config: Path, tmp_path: Path) -> Iterator[Gateway]:
    with started(gateway_python, config, tmp_path) as gateway:
        yield gateway


def test_it_tells_systemd_that_it_answers_as_long_as_it_does(
    gateway_python: Path, config: Path, tmp_path: Path
) -> None:
    watched = {
        "WATCHDOG_USEC": "2000000",
        "LLMRACK_PRIVATE_SOCKET": str(tmp_path / "gateway-blue.sock"),
    }
    with started(gateway_python, config, tmp_path, **watched) as gateway:
        told = [gateway.states.recv(64) for _ in range(3)]
        assert set(told) == {b"WATCHDOG=1"}
        gateway.process.send_signal(signal.SIGSTOP)
        gateway.states.settimeout(2)
        with pytest.raises(TimeoutError):
            # What was told before it was stopped is not lost.
            while True:
                gateway.states.recv(64)


def test_it_serves_on_a_passed_socket_and_lets_a_stream_end_on_sigterm(
    gateway: Gateway, vllm: StandIn
) -> None:
    vllm.set_fault(Fault("hang", after=5))
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    url = "http://{}:{}/v1/chat/completions".format(*gateway.address)
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.stream("POST", url, json=body, headers=headers, timeout=20) as response:
        received = response.iter_lines()
        assert "[vllm" in "".join(next(received) for _ in range(4))
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.states.recv(64) == b"STOPPING=1"
        vllm.set_fault(Fault())
        assert [line for line in received if line][-1] == "data: [DONE]"
    assert gateway.process.wait(timeout=DEADLINE) in (0, -signal.SIGTERM)


def test_it_answers_a_connection_that_was_accepted_just_before_sigterm(gateway: Gateway) -> None:
    request = b"GET /health/liveliness HTTP/1.1\r\nHost: gateway\r\n\r\n"
    with socket.create_connection(gateway.address, timeout=20) as accepted:
        # An answer on a later connection shows that this one has been accepted.
        httpx.get("http://{}:{}/health/liveliness".format(*gateway.address), timeout=20)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.states.recv(64) == b"STOPPING=1"
        assert gateway.states.recv(64) == b"STATUS=accepts no more connections"
        accepted.sendall(request)
        assert accepted.recv(64).startswith(b"HTTP/1.1 200")


def test_an_idle_connection_is_served_once_more_after_sigterm_and_told_so(gateway: Gateway) -> None:
    with httpx.Client(base_url="http://{}:{}".format(*gateway.address), timeout=20) as client:
        assert "connection" not in client.get("/health/liveliness").headers
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.states.recv(64) == b"STOPPING=1"
        assert gateway.states.recv(64) == b"STATUS=accepts no more connections"
        last = client.get("/health/liveliness")
        assert (last.status_code, last.headers["connection"]) == (200, "close")
    assert gateway.process.wait(timeout=DEADLINE) in (0, -signal.SIGTERM)


def test_a_request_that_runs_at_sigterm_is_answered_as_the_last_of_its_connection(
    gateway: Gateway, vllm: StandIn
) -> None:
    vllm.set_fault(Fault("hang"))
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(gateway.address, timeout=20) as client:
        client.sendall((head + body).encode())
        assert wait_until(lambda: bool(vllm.provider.requests), DEADLINE)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.states.recv(64) == b"STOPPING=1"
        assert gateway.states.recv(64) == b"STATUS=accepts no more connections"
        vllm.set_fault(Fault())
        with client.makefile("rb") as received:
            answer = received.read()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()


def test_a_mistake_in_the_configuration_is_found_before_a_candidate_starts(
    gateway_python: Path, config: Path
) -> None:
    config.write_text(config.read_text() + "router_settings: {num_retires: 3}\n")
    command = [
        gateway_python,
        "-I",
        config.with_name("serve.py"),
        "--strict",
        "--listen",
        "127.0.0.1:0",
    ]
    result = subprocess.run(
        command, env=environment(config), capture_output=True, text=True, check=False
    )
    assert result.returncode == 4
    assert "num_retires: is not known" in result.stdout
    assert "did you mean num_retries?" in result.stdout
