"""`llmrack adopt HOST` as it is typed; the look itself is made up here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyinfra.api.host import Host

from llmrack.adopt.host import look
from llmrack.adopt.host.seen import HostSeen
from llmrack.commands.adopt import adopt
from llmrack.hosts.connection import Unreached
from tests import ROOT
from tests.unit.adopt.host.looks import boxed, host, ollama


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory").write_text('gpu = [("tower", {"ssh_hostname": "192.0.2.7"})]\n')
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, seen: HostSeen | Unreached, *words: str) -> Result:
    def looked(_: Host) -> HostSeen:
        if isinstance(seen, Unreached):
            raise seen
        return seen

    monkeypatch.setattr(look, "look_at", looked)
    return CliRunner().invoke(adopt, words)


def test_a_proposal_is_printed_and_nothing_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in folder.iterdir()}
    done = run(monkeypatch, host(ollama()), "tower")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "tower: ollama.service: Ollama 0.12.3" in done.stdout
    assert '        "service_user": "ollama",\n' in done.stdout
    assert "providers:\n  local: {kind: ollama, group: gpu}\n" in done.stdout
    assert "Taken over from" not in done.stdout
    assert {path.name for path in folder.iterdir()} == before


def test_a_proposal_is_written_and_checked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, host(ollama()), "tower", "-o", "new")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "new: wrote inventory and stack.yaml" in done.stdout
    assert "new: 2 names of 1 provider, no mistakes" in done.stdout
    again = run(monkeypatch, host(ollama()), "tower", "-o", "new")
    assert again.exit_code == 2
    assert "has stack.yaml, inventory already" in again.stderr


def test_commands_before_the_deploy_are_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(monkeypatch, host(boxed()), "tower", "-o", "new")
    assert done.exit_code == 0
    assert "Before the deploy, as root on tower:\n\n    id -u llm" in done.stdout


def test_a_loss_is_in_the_exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, host(ollama(version="9.0.0")), "tower").exit_code == 1


def test_a_bare_host_gets_the_plain_entry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, host(), "root@192.0.2.9")
    assert done.exit_code == 0
    assert "192.0.2.9: nothing that serves models" in done.stdout
    assert '"ssh_user": "root"' in done.stdout
    assert "stack.yaml" not in done.stdout


def test_a_host_of_llmracks_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, host(llmrack="0.2.0"), "tower", "-o", "new")
    assert done.exit_code == 0
    assert "llmrack 0.2.0 has deployed it" in done.stdout
    assert not (folder / "new").exists()


def test_a_host_that_cannot_be_asked_is_told_with_what_it_was_taken_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(monkeypatch, Unreached("no connection: timed out"), "tower")
    assert (done.exit_code, done.stderr) == (2, "Error: tower: no connection: timed out\n")
    done = run(monkeypatch, Unreached("no connection: unknown"), "towre")
    assert done.exit_code == 2
    assert "towre (it is no file, and in no inventory): no connection" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no/such.yaml",), "no/such.yaml: is no file, and no host of inventory"),
        (("new",), "is a folder"),
        (("tower", "--env", "inventory"), "--env and --compose belong to one"),
        (("tower", "-i", "other"), "there is no inventory 'other'"),
    ],
)
def test_a_word_that_fits_nothing_is_one_clear_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    (folder / "new").mkdir()
    done = run(monkeypatch, host(), *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_server_that_speaks_no_ssh_is_told_in_one_line(tmp_path: Path) -> None:
    def hang_up() -> None:
        with suppress(OSError):
            while True:
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang_up, daemon=True).start()
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh/known_hosts").touch()
        port = server.getsockname()[1]
        (tmp_path / ".ssh/config").write_text(f"Host odd\n  HostName 127.0.0.1\n  Port {port}\n")
        done = subprocess.run(
            [sys.executable, "-m", "llmrack", "adopt", "root@odd"],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        server.shutdown(socket.SHUT_RDWR)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: odd (it is no file, and in no inventory): no connection")
    assert len(done.stderr.splitlines()) == 1, done.stderr
