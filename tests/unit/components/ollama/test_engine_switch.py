"""The scripts by which a change of what Ollama runs with is kept, taken back and watched."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from llmrack.components.ollama import engine_switch
from llmrack.components.ollama.engine_switch import EngineSwitch
from llmrack.components.ollama.instances import UndeclaredInstances
from llmrack.resources.change import Shell
from llmrack.resources.look import PathSeen, Seen

# What the scripts ask of a host; "systemctl show" tells what stands in the file "process".
STUBS = """
cd {folder}; XDG_RUNTIME_DIR=$PWD
systemctl() {{
  echo "$*" >>{folder}/log
  case $* in *show*) (cd {folder}; cat process; [ -e next ] && mv -f next process);; esac
}}
journalctl() {{ echo the journal; }}
curl() {{ :; }}
sleep() {{ :; }}
[ ! -e clock ] || . ./clock
"""
# A clock that goes on by half a second a look, from shortly before a whole second on; the process
# is another one from 850 ms after that on.
CLOCK = """
cd {folder}; echo 1900 >now
date() {{ case $1 in *N) cat {folder}/now;; *) echo $(($(cat {folder}/now) / 1000));; esac; }}
sleep() {{ echo $(($(cat {folder}/now) + 500)) >{folder}/now; }}
systemctl() {{ echo 0; [ "$(cat {folder}/now)" -lt 2750 ] && echo 4711 || echo 4712; }}
"""
OLD, NEW = "OLLAMA_HOST=0.0.0.0:11434\n", "OLLAMA_HOST=0.0.0.0:11500\n"


class Host:
    """A host's files in a folder, with an instance called ``main``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "env").mkdir()
        (folder / "llmrack").mkdir()
        self.write("old")
        self.switch = EngineSwitch(
            "llm",
            *(str(folder / name) for name in ("kept", "current", "unit", "env")),
            "127.0.0.1",
            parts=(),
            instances={},
            undeclared=UndeclaredInstances("llm", str(folder), str(folder / "env"), frozenset()),
        )

    def write(self, which: str) -> None:
        """The files of a release, and what an instance was started with."""
        (self.folder / "current").unlink(missing_ok=True)
        (self.folder / "current").symlink_to(which)
        (self.folder / "unit").write_text(which)
        (self.folder / "env" / "main.env").write_text(OLD if which == "old" else NEW)

    def started(self) -> None:
        """The instance was started with what is there now."""
        unit = self.folder / "unit"
        line = f"{hashlib.sha256(unit.read_bytes()).hexdigest()}  {unit}\n"
        (self.folder / "llmrack" / "llmrack-ollama@main.service").write_text(line)

    def run(self, action: Shell) -> str:
        """The reason why it failed, or an empty text."""
        done = subprocess.run(["sh", "-c", action.script], capture_output=True, text=True)
        assert not done.stderr, done.stderr
        return done.stdout if done.returncode else ""

    @property
    def is_old(self) -> bool:
        """Whether everything is as it was."""
        return (
            str((self.folder / "current").readlink()) == "old"
            and (self.folder / "unit").read_text() == "old"
            and (self.folder / "env" / "main.env").read_text() == OLD
        )

    @property
    def restarted(self) -> bool:
        """Whether the instance was."""
        asked = (self.folder / "log").read_text()
        return "restart llmrack-ollama@main.service" in asked


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    stubs = STUBS.format(folder=tmp_path)
    monkeypatch.setattr(engine_switch, "as_user", lambda user, script: f"{stubs}{script}")
    monkeypatch.setattr(
        "llmrack.resources.last_written.WRITTEN", str(tmp_path / "notes" / "written")
    )
    monkeypatch.setattr(engine_switch, "STANDS", 1)
    return Host(tmp_path)


def test_what_was_there_comes_back_and_what_ran_with_the_new_restarts(host: Host) -> None:
    host.run(host.switch.keep)
    host.write("new")
    host.started()
    assert host.run(host.switch.back(Seen())) == ""
    assert host.is_old
    assert host.restarted
    assert not (host.folder / "kept").exists()


def test_an_instance_that_was_not_restarted_yet_goes_on(host: Host) -> None:
    host.started()
    host.run(host.switch.keep)
    host.write("new")
    assert host.run(host.switch.back(Seen())) == ""
    assert host.is_old
    assert not host.restarted


def test_an_instance_that_was_not_there_before_goes(host: Host) -> None:
    host.run(host.switch.keep)
    (host.folder / "env" / "other.env").write_text(NEW)
    assert host.run(host.switch.back(Seen())) == ""
    assert [file.name for file in (host.folder / "env").iterdir()] == ["main.env"]
    log = (host.folder / "log").read_text()
    assert "disable --now llmrack-ollama@other.service" in log


@pytest.mark.parametrize("gone", ["current", "unit", "env"])
def test_what_somebody_has_removed_is_made_anew_and_the_rest_comes_back(
    host: Host, gone: str
) -> None:
    path = host.folder / gone
    shutil.rmtree(path) if gone == "env" else path.unlink()
    assert host.run(host.switch.keep) == ""
    (host.folder / "env").mkdir(exist_ok=True)
    host.write("new")
    host.started()
    assert host.run(host.switch.back(Seen())) == ""
    main = host.folder / "env" / "main.env"
    now = {
        "current": str((host.folder / "current").readlink()),
        "unit": (host.folder / "unit").read_text(),
        "env": main.exists() and main.read_text(),
    }
    # An instance without an environment is one that was not there.
    present = {"current": "new", "unit": "new", "env": False}
    assert now == {"current": "old", "unit": "old", "env": OLD} | {gone: present[gone]}


def test_what_a_run_kept_that_was_cut_off_is_what_comes_back(host: Host) -> None:
    host.run(host.switch.keep)
    host.write("new")
    host.run(host.switch.keep)
    host.run(host.switch.back(Seen()))
    assert host.is_old


def test_what_comes_back_is_no_edit(host: Host) -> None:
    unit = str(host.folder / "unit")
    seen = Seen(hashes={unit: "0" * 64, "/elsewhere": "1" * 64})
    host.run(host.switch.keep)
    host.run(host.switch.back(seen))
    noted = (host.folder / "notes" / "written").read_text()
    assert noted == f"{unit}\t-\t-\t{'0' * 64}\n"


def test_a_change_that_was_cut_off_is_due(host: Host) -> None:
    kept = PathSeen("d", "llm", 0o755, "")
    assert host.switch.change(Seen(), ["Unit x"]) is None
    assert host.switch.change(Seen(paths={host.switch.kept: kept}), ())


def test_an_instance_that_goes_on_stands(host: Host) -> None:
    (host.folder / "process").write_text("0\n4711\n")
    assert host.run(host.switch.stands("llmrack-ollama@main.service", "http://x")) == ""


def test_an_instance_that_is_another_process_does_not_and_its_journal_is_shown(host: Host) -> None:
    (host.folder / "process").write_text("0\n4711\n")
    (host.folder / "next").write_text("1\n4712\n")
    reason = host.run(host.switch.stands("llmrack-ollama@main.service", "http://x"))
    assert reason.endswith("no longer does; its journal ends with:\nthe journal\n")


def test_an_instance_is_watched_for_whole_seconds_wherever_the_clock_stands(host: Host) -> None:
    (host.folder / "clock").write_text(CLOCK.format(folder=host.folder))
    reason = host.run(host.switch.stands("llmrack-ollama@main.service", "http://x"))
    assert "no longer does" in reason


def test_it_is_said_what_it_goes_back_to(host: Host) -> None:
    link = {host.switch.current: PathSeen("l", "llm", 0o777, "/opt/ollama/0.30.1")}
    kept = {host.switch.kept: PathSeen("d", "llm", 0o755, "")}
    assert host.switch.previous(Seen(paths=link)) == "0.30.1"
    assert host.switch.previous(Seen(paths=link | kept)) == "the release before"
    assert host.switch.previous(Seen()) == "what is left of what it had"
