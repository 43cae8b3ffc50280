"""The scripts that start units and stop them, with a systemctl that notes what it is asked."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llmrack.resources.script import script_file
from llmrack.resources.units import or_journal

PROGRAMS = {
    "systemctl": """echo "$*" >>{folder}/log
case $* in *NRestarts*) cat {folder}/restarts;; *" restart "*) [ ! -e {folder}/broken ];; esac""",
    "journalctl": 'echo "journal $*"',
    "curl": "echo curl >>{folder}/log; [ -e {folder}/answers ]",
    "sleep": "",
}
Sh = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sh(tmp_path: Path) -> Sh:
    """Run a script of templates/resources/."""
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text.format(folder=tmp_path)}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"

    def run(name: str, *words: str | int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", script_file(f"resources/{name}.sh", *words)],
            env={"PATH": path, "XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    return run


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_a_unit_is_enabled_and_started_anew(sh: Sh, tmp_path: Path) -> None:
    assert sh("start-unit", "--user", "a b.service", 60, "").returncode == 0
    assert log(tmp_path) == [
        "--user daemon-reload",
        "--user -q enable a b.service",
        "--user reset-failed a b.service",
        "--user restart a b.service",
    ]


def test_a_unit_that_does_not_start_shows_its_journal(sh: Sh, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    done = sh("start-unit", "--system", "x.service", 60, "http://x")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "x.service does not start; its journal ends with:",
        "journal --system -q -n 15 --no-pager -o cat -u x.service",
    ]


def test_a_unit_is_waited_for_until_it_answers(sh: Sh, tmp_path: Path) -> None:
    (tmp_path / "answers").touch()
    assert sh("start-unit", "--user", "x.service", 60, "http://x").returncode == 0
    assert log(tmp_path)[-1] == "curl"


@pytest.mark.parametrize(
    ("restarts", "seconds", "words"),
    [("3", 60, "ends again and again"), ("0", 0, "did not answer within 0 s")],
)
def test_a_unit_that_never_answers_is_given_up(
    sh: Sh, tmp_path: Path, restarts: str, seconds: int, words: str
) -> None:
    (tmp_path / "restarts").write_text(f"{restarts}\n")
    done = sh("start-unit", "--user", "x.service", seconds, "http://x")
    assert done.returncode == 1
    assert done.stdout.startswith(f"x.service {words}; its journal ends with:")


@pytest.mark.parametrize("has_file", [True, False])
def test_root_tells_the_journal_of_a_user_who_may_not_read_it(
    sh: Sh, tmp_path: Path, has_file: bool
) -> None:
    place = tmp_path / "journal" / "0123"
    place.mkdir(parents=True)
    uid = os.getuid()
    (place / f"user-{uid if has_file else uid + 1}.journal").touch()
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    script = or_journal("echo failed; exit 7", user, "x.service")
    script = script.replace("/var/log/journal", str(tmp_path / "journal"))
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    told = f"journal -q -n 15 --no-pager -o cat _SYSTEMD_USER_UNIT=x.service _UID={uid} + "
    told += f"USER_UNIT=x.service _UID={uid}"
    assert done.stdout.splitlines() == ["failed", *([] if has_file else [told])]
    assert done.returncode == 1
    assert subprocess.run(["sh", "-c", or_journal("exit 0", user, "x.service")]).returncode == 0


@pytest.mark.parametrize("has_manager", [True, False])
def test_units_are_stopped_and_their_files_and_empty_folders_go(
    sh: Sh, tmp_path: Path, has_manager: bool
) -> None:
    wants = tmp_path / "units" / "default.target.wants"
    wants.mkdir(parents=True)
    files = [tmp_path / "units" / "x@.service", wants / "x@a.service"]
    for file in files:
        file.touch()
    if has_manager:
        socket.socket(socket.AF_UNIX).bind(str(tmp_path / "bus"))
    words = ("--user", 2, "x*", "y*", *map(str, files))
    assert sh("stop-units", *words).returncode == 0
    assert list((tmp_path / "units").iterdir()) == []
    asked = log(tmp_path) if has_manager else []
    assert asked == (
        ["--user stop x* y*", "--user daemon-reload", "--user reset-failed x* y*"] * has_manager
    )
