"""What a script does whose input ends too early, as when a connection breaks, and what mends it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import SSHException
from pyinfra.connectors.util import CommandOutput

from llmrack.components.monitor.prometheus import Credentials
from llmrack.components.system.account import User
from llmrack.deploy.operations import Carry
from llmrack.deploy.run.scripts import LOST, shell
from llmrack.resources.change import Shell
from llmrack.resources.files import EnvironmentFile, File
from llmrack.resources.look import PathSeen, Seen
from llmrack.resources.releases import Release, Venv
from llmrack.secrets.value import Secret
from tests.unit.fake_host import fake_host

# More than a connection sends at once.
LONG = "a line of it\n" * 10_000


@pytest.fixture(autouse=True)
def _run_as_whoever_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("files", "releases"):
        monkeypatch.setattr(f"llmrack.resources.{module}.owned", lambda owner, text: text)
    monkeypatch.setattr(
        "llmrack.resources.last_written.WRITTEN", str(tmp_path / "notes" / "written")
    )


def cut_off(action: Any) -> int:
    """Run a script whose input ends in the middle; its exit code."""
    half = action.stdin[: len(action.stdin) // 2]
    return subprocess.run(["sh", "-c", action.script], input=half, text=True).returncode


def test_of_a_file_that_came_in_half_nothing_stays(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    change = File(str(folder / "f"), LONG, "me").change(Seen(), ())
    assert change
    assert cut_off(change.actions[0])
    assert list(folder.iterdir()) == []


def test_a_file_that_was_there_stays_when_the_new_one_comes_in_half(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("before\n")
    assert cut_off(File(str(file), LONG, "me").write)
    assert file.read_text() == "before\n"


def secrets_file(path: Path) -> EnvironmentFile:
    values = {"A_KEY": Secret("a" * 20_000), "B_KEY": Secret("b")}
    return EnvironmentFile(str(path), values, "me", "n")


@pytest.mark.parametrize("before", [None, "A_KEY=old\nOTHER=1\n"])
def test_an_environment_file_takes_no_key_that_came_in_half(
    tmp_path: Path, before: str | None
) -> None:
    file = tmp_path / "folder" / "env"
    file.parent.mkdir()
    if before:
        file.write_text(before)
    change = secrets_file(file).change(Seen(), ())
    assert change
    assert cut_off(change.actions[0])
    there = {each.name: each.read_text() for each in file.parent.iterdir()}
    assert there == ({"env": before} if before else {})


def test_keys_are_merged_into_an_environment_file(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "env"
    file.parent.mkdir()
    file.write_text("# of a person\nA_KEY=old\nOTHER=1\n")
    change = secrets_file(file).change(Seen(), ())
    assert change
    (write,) = change.actions
    assert isinstance(write, Shell)
    subprocess.run(["sh", "-c", write.script], input=write.stdin, text=True, check=True)
    assert file.read_text() == f"# of a person\nA_KEY={'a' * 20_000}\nOTHER=1\nB_KEY=b\n"
    assert (list(file.parent.iterdir()), file.stat().st_mode & 0o777) == ([file], 0o600)


@pytest.mark.parametrize("before", [None, "old\n"])
def test_prometheus_shows_no_half_of_a_key(
    tmp_path: Path, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There need be no group prometheus where tests run.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chgrp").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    file = tmp_path / "folder" / "key"
    file.parent.mkdir()
    if before:
        file.write_text(before)
    change = Credentials(str(file), Secret("k" * 40), "n").change(Seen(), ())
    assert change
    assert cut_off(change.actions[0])
    there = {each.name: each.read_text() for each in file.parent.iterdir()}
    assert there == ({"key": before} if before else {})


@pytest.mark.parametrize("cut", ["in the first file", "in the last file"])
def test_a_release_that_came_in_half_does_not_appear(tmp_path: Path, cut: str) -> None:
    texts = (LONG, "x\n") if cut == "in the first file" else ("x\n", LONG)
    files = tuple(zip(("a.py", "b.py"), texts, strict=True))
    change = Release(str(tmp_path / "r1"), "me", files).change(Seen(), ())
    assert change
    assert cut_off(change.actions[0])
    assert not (tmp_path / "r1").exists()


def test_an_environment_is_not_built_from_half_of_its_list(tmp_path: Path) -> None:
    change = Venv(str(tmp_path / "v"), LONG, "uv==1\n", "me").change(Seen(), ())
    assert change
    assert cut_off(change.actions[0]) == 1
    assert not (tmp_path / "v" / "pyvenv.cfg").exists()


def of_ours(**paths: PathSeen) -> Seen:
    return Seen(users={"llm": []}, groups={"llm": {"llm"}}, made={"user llm"}, paths=paths)


@pytest.mark.parametrize("home", [None, PathSeen("d", "root", 0o755, "")])
def test_a_user_whose_making_was_cut_off_is_finished(home: PathSeen | None) -> None:
    seen = of_ours(**({"/home/llm": home} if home else {}))
    change = User("llm", "/home/llm").change(seen, ())
    assert change and "cut off" in change.why


def test_a_user_with_a_home_is_left_alone() -> None:
    seen = of_ours(**{"/home/llm": PathSeen("d", "llm", 0o700, "")})
    assert User("llm", "/home/llm").change(seen, ()) is None


def rack(ended: bool) -> Any:
    """A host whose connection has ended, or is there."""
    host = fake_host(ended=ended)
    said: list[str] = []
    return SimpleNamespace(
        pyinfra_host=host, lock=None, said=said, say=lambda text, log: said.append(text)
    )


def breaks(*_: object, **__: object) -> bool:
    raise SSHException("SSH session not active")


def test_work_on_a_host_that_is_gone_fails_that_host_and_says_so() -> None:
    its = rack(ended=True)
    assert not Carry(its, breaks).execute(Any, its.pyinfra_host, {})
    assert its.said == [LOST]


def test_another_mistake_is_not_taken_for_a_lost_connection() -> None:
    its = rack(ended=False)
    with pytest.raises(SSHException):
        Carry(its, breaks).execute(Any, its.pyinfra_host, {})


def test_a_script_that_ends_with_its_connection_is_told_from_one_that_says_nothing() -> None:
    its = rack(ended=True)
    its.pyinfra_host.run_shell_command = lambda *_, **__: (False, CommandOutput([]))
    assert shell(its, Shell("true")) == LOST
