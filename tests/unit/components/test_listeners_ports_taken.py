"""A port that another program holds: which one, and the way out; before anything is changed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from llmrack.components import listeners
from llmrack.components.old_services.services import OldService
from llmrack.resources.look import ListenerSeen, Look, Seen, UnitSeen, parse
from llmrack.resources.look_script import script
from llmrack.resources.script import script_file
from tests.unit.declare import stack, two_boxes

OURS = UnitSeen("active", "enabled", True)
OLLAMA = "llmrack-ollama@main.service"


def taken(*holders: ListenerSeen, socket_is: UnitSeen = OURS) -> list[str]:
    """What is said of the first box, where Ollama is bound to all addresses, the gateway to one."""
    fleet = two_boxes()
    seen = Seen(listeners=list(holders), units={"llmrack-gateway.socket": socket_is})
    return listeners.taken(stack(), fleet, fleet.hosts[0], seen)


def test_a_program_in_the_way_is_named_with_its_process_and_the_way_out() -> None:
    other = ListenerSeen("127.0.0.1:11434", "812", "ollama", "ollama.service", "ollama")
    assert taken(other) == [
        "port 11434, which is for Ollama main, is taken: ollama (process 812, ollama.service, "
        "user ollama) listens at 127.0.0.1:11434; `llmrack adopt box1` shows how to take it over, "
        "`replaces` lets a deploy stop it for good, or set ollama_port to another port"
    ]


def test_one_of_a_login_is_named_without_its_session() -> None:
    (message,) = taken(ListenerSeen("*:4000", "99", "python3", "session-4.scope"))
    assert "taken: python3 (process 99) listens at *:4000" in message
    assert message.endswith("set gateway_port to another port")


def test_one_that_nobody_knows_is_in_the_way_as_well() -> None:
    (message,) = taken(ListenerSeen("0.0.0.0:4000"))
    assert "another program (unknown process)" in message


def test_our_own_services_are_in_nobodys_way() -> None:
    gateway = ListenerSeen("127.0.0.1:4000", "7", "python", "llmrack-gateway@green.service")
    manager = ListenerSeen("127.0.0.1:4000", "5", "systemd", "init.scope")
    assert taken(gateway, manager, ListenerSeen("0.0.0.0:11434", "8", "ollama", OLLAMA)) == []
    # While no gateway runs, systemd alone has the socket.
    assert taken(manager) == []


def test_a_socket_of_systemd_that_is_not_ours_is_in_the_way() -> None:
    manager = ListenerSeen("127.0.0.1:4000", "5", "systemd", "init.scope")
    assert len(taken(manager, socket_is=UnitSeen("inactive", "", False))) == 1


def test_another_address_is_in_nobodys_way() -> None:
    assert taken(ListenerSeen("10.0.0.1:4000", "9", "python3", "session-4.scope")) == []


def test_another_port_is_in_nobodys_way() -> None:
    assert taken(ListenerSeen("0.0.0.0:4001", "9", "python3", "session-4.scope")) == []


def test_what_is_declared_to_be_replaced_makes_room() -> None:
    fleet = two_boxes()
    old = ListenerSeen("127.0.0.1:11434", "812", "ollama", "ollama.service", "ollama")
    runs = OldService("ollama.service", runs=True, held=False, noted=False)
    seen = Seen(listeners=[old], parts={"old": {"ollama.service": runs}})
    assert listeners.taken(stack(), fleet, fleet.hosts[0], seen) == []
    # Another program at the same port is none of it.
    other = ListenerSeen("[::1]:11434", "9", "python3", "session-4.scope", "ops")
    seen = Seen(listeners=[old, other], parts={"old": {"ollama.service": runs}})
    (message,) = listeners.taken(stack(), fleet, fleet.hosts[0], seen)
    assert "python3 (process 9, user ops)" in message


@pytest.mark.parametrize(
    ("group", "unit"),
    [
        ("/system.slice/ollama.service", "ollama.service"),
        ("/system.slice/ollama.service/libpod-payload-f0e1", "ollama.service"),
        ("/machine.slice/libpod-f0e1.scope/container", "libpod-f0e1.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", "a.service"),
        ("/docker/f0e1", "f0e1"),
    ],
)
def test_a_process_in_a_group_below_its_unit_belongs_to_the_unit(
    tmp_path: Path, group: str, unit: str
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "comm").write_text("ollama\n")
    (tmp_path / "7" / "cgroup").write_text(f"0::{group}\n")
    (tmp_path / "ss").write_text(
        "#!/bin/sh\necho 'LISTEN 0 9 *:11434 *:* users:((\"ollama\",pid=7,fd=3))'\n"
    )
    (tmp_path / "ss").chmod(0o755)
    text = script_file("resources/look/ports.sh", 11434).replace("/proc/", f"{tmp_path}/")
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, env={"PATH": path})
    assert done.stdout.split("\t")[1:5] == ["*:11434", "7", "ollama", unit]


def test_every_port_that_a_setting_declares_is_looked_at() -> None:
    look, fleet = Look(), two_boxes()
    listeners.look(stack(), fleet, fleet.hosts[0], look)
    assert look.ports == {11434, 4000}


def test_the_look_sees_who_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        look = Look(ports={port, 1})
        done = subprocess.run(["sh", "-c", script(look, "n")], capture_output=True, text=True)
    (listener,) = parse(done.stdout.splitlines(), look).listeners
    program = Path("/proc/self/comm").read_text().strip()
    assert (listener.address, listener.pid, listener.program) == (
        f"127.0.0.1:{port}",
        str(os.getpid()),
        program,
    )


@pytest.mark.parametrize("name", ["a\tb", "a\nLISTEN 0 1 a:b", '","\\'])
def test_a_program_may_have_any_name(name: str) -> None:
    """It names itself, so a user of the host could end every run otherwise."""
    code = (
        "import ctypes, socket, sys; ctypes.CDLL(None).prctl(15, sys.argv[1].encode()); "
        "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout
        port = int(program.stdout.readline())
        look = Look(ports={port})
        done = subprocess.run(["sh", "-c", script(look, "n")], capture_output=True, text=True)
        program.communicate("")
    (listener,) = parse(done.stdout.splitlines(), look).listeners
    assert listener.address == f"127.0.0.1:{port}"
