"""Which release serves, which one served before, and which ones go."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llmrack.components.gateway.service import ALONE, BESIDE, GatewayService, service
from llmrack.deploy.rollout.rollback import parse
from llmrack.resources.change import Action, Change, Shell, as_user
from llmrack.resources.look import PathSeen, Seen, UnitSeen
from llmrack.resources.old_releases import OldReleases
from llmrack.resources.script import script_file

GATEWAY = GatewayService(
    "llm", "/g", "/g/2", "LoadCredential=k:/env", "/env", ("KEY",), "/unit", 300, ("E",)
)


def seen(active: str = "blue", **links: str) -> Seen:
    """Links by name, as in ``started_blue="/g/1"``; colours that run, in words."""
    paths = {
        f"/g/{'started/' + name[8:] + '/release' if name.startswith('started_') else name}": link
        for name, link in links.items()
    }
    return Seen(
        units={service(colour): UnitSeen("active", "enabled", True) for colour in active.split()},
        paths={path: PathSeen("l", "llm", 0o777, link) for path, link in paths.items()},
    )


def test_the_idle_colour_is_what_ran_before():
    seen_ = seen(blue="/g/2", green="/g/1", current="/g/2", started_green="/g/1")
    assert GATEWAY.previous(seen_) == "/g/1"
    gate, swap = GATEWAY.rollback(seen_).actions
    assert "blue green /g/1 LoadCredential=k:/env again\n" in gate.script
    assert f"blue green /g/1 {ALONE} {BESIDE}\n" in swap.script


def test_without_a_note_of_it_there_is_nothing_to_go_back_to():
    assert GATEWAY.rollback(seen(blue="/g/2", green="/g/1", current="/g/2")) is None
    assert GATEWAY.rollback(Seen()) is None


def test_a_gateway_that_is_down_can_go_back():
    seen_ = seen("", blue="/g/2", green="/g/1", current="/g/2", started_green="/g/1")
    assert GATEWAY.serving(seen_) == "blue"
    assert GATEWAY.rollback(seen_).why == "back to /g/1"


def test_of_two_that_run_the_current_one_serves_and_the_other_is_stopped():
    seen_ = seen("blue green", blue="/g/1", green="/g/2", current="/g/2")
    assert GATEWAY.serving(seen_) == "green"
    change = GATEWAY.change(seen_, ())
    assert change.why == "two releases run"
    assert change.actions[0].script == as_user(
        "llm", script_file("gateway/stop.sh", service("blue"))
    )


def test_one_that_was_only_watched_when_a_run_broke_off_is_tried_anew():
    seen_ = seen("blue green", blue="/g/1", green="/g/2", current="/g/1")
    assert GATEWAY.serving(seen_) == "blue"
    gate, _ = GATEWAY.change(seen_, ()).actions
    assert "blue green /g/2 LoadCredential=k:/env anew\n" in gate.script


def test_what_is_down_starts_in_its_own_colour_and_keeps_the_way_back():
    seen_ = seen("", blue="/g/1", green="/g/2", current="/g/2", started_blue="/g/1")
    _, swap = GATEWAY.change(seen_, ()).actions
    assert f" green /g/2 {ALONE} {BESIDE}\n" in swap.script
    assert "blue green" not in swap.script


# What the scripts ask of a host: systemctl notes what it does, the other one answers with an exit
# code where a file says so.
PROGRAMS = {
    "systemctl": """case $* in
*"show -P MainPID"*) echo 4711;;
*"show -P ActiveState"*) echo inactive;;
*"-q is-active"*) [ -e {folder}/serves ];;
*) echo "$*" >>{folder}/log;;
esac""",
    "systemd-run": 'echo "$*" >{folder}/tried; [ ! -e {folder}/refused ]',
    "curl": "[ ! -e {folder}/silent ] && ls {folder}/llmrack >{folder}/asked",
    "journalctl": "echo the journal",
}


class Home:
    """A host on which blue serves release 1; before that green served release 0.

    In the environment there are other keys by now than both were started with.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for colour, release in (("blue", "1"), ("green", "0")):
            started = folder / "started" / colour
            started.mkdir(parents=True)
            (folder / release).mkdir()
            (folder / release / "RELEASE").touch()
            for link in (started / "release", folder / colour):
                link.symlink_to(folder / release)
            (started / "gateway.env").write_text(f"# ours\nKEY={colour}\nHAND=first\n")
            (started / "unit").write_text(f"unit of {colour}\n")
        (folder / "current").symlink_to(folder / "1")
        (folder / "env").write_text("# ours\nKEY=new\nHAND=second\nOTHER=new\n")
        (folder / "unit").write_text("new unit\n")
        (folder / "llmrack").mkdir()
        (folder / "bin").mkdir()
        for name, text in PROGRAMS.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text.format(folder=folder)}\n")
            (folder / "bin" / name).chmod(0o755)
        self.serve("blue")

    def serve(self, *active: str) -> None:
        """What runs; one that does takes requests."""
        self.active = active
        (self.folder / "serves").touch()
        if not active:
            (self.folder / "serves").unlink()

    def change(self, release: str, returning: bool = False) -> Change:
        env, unit = str(self.folder / "env"), str(self.folder / "unit")
        service_ = GatewayService(
            "llm",
            str(self.folder),
            str(self.folder / release),
            "LoadCredential=k:/env",
            env,
            ("KEY", "OTHER"),
            unit,
            300,
            (),
        )
        links = {
            str(link): PathSeen("l", "llm", 0o777, str(link.readlink()))
            for link in self.folder.rglob("*")
            if link.is_symlink()
        }
        units = {service(colour): UnitSeen("active", "enabled", True) for colour in self.active}
        seen_ = Seen(units=units, paths=links)
        change = service_.rollback(seen_) if returning else service_.change(seen_, ())
        assert change
        return change

    def run(self, action: Action) -> tuple[int, str]:
        """The exit code, and what is printed."""
        assert isinstance(action, Shell)
        done = subprocess.run(
            ["sh", "-c", action.script],
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                "XDG_RUNTIME_DIR": str(self.folder),
            },
            capture_output=True,
            text=True,
        )
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    def links(self, *names: str) -> list[str]:
        return [(self.folder / name).readlink().name for name in names]

    @property
    def log(self) -> list[str]:
        lines = (self.folder / "log").read_text().splitlines()
        return [line.removeprefix("--user ") for line in lines]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name, value in {"as_user": lambda _, text: text, "ALONE": 0, "BESIDE": 0}.items():
        monkeypatch.setattr(f"llmrack.components.gateway.service.{name}", value)
    return Home(tmp_path)


def test_declared_keys_go_back_and_those_of_others_stay(home: Home) -> None:
    gate, _ = home.change("1", returning=True).actions
    assert home.run(gate) == (0, "")
    assert (home.folder / "env").read_text() == "# ours\nKEY=green\nHAND=second\n"
    assert (home.folder / "env").stat().st_mode & 0o777 == 0o600
    assert (home.folder / "unit").read_text() == "unit of green\n"
    assert not list(home.folder.glob("env.*"))


def test_a_release_is_tried_as_its_unit_would_run_it(home: Home) -> None:
    gate, _ = home.change("2").actions
    assert home.run(gate) == (0, "")
    tried = (home.folder / "tried").read_text()
    release = home.folder / "2"
    assert "--property=LoadCredential=k:/env " in tried
    assert tried.endswith(f"-I {release}/gate.py {release}/config.yaml\n")
    # What was the idle one is stopped, and the keys stay as they are.
    assert home.log[:2] == ["daemon-reload", f"stop {service('green')}"]
    assert "KEY=new" in (home.folder / "env").read_text()


def test_a_release_that_fails_its_gate_leaves_everything_as_it_was(home: Home) -> None:
    (home.folder / "refused").touch()
    gate, _ = home.change("2").actions
    assert home.run(gate) == (
        1,
        "release 1 serves on, with the configuration and the keys it had\n",
    )
    assert "KEY=blue" in (home.folder / "env").read_text()
    assert home.links("blue", "green", "current") == ["1", "0", "1"]


def test_a_release_that_is_gone_is_not_gone_back_to(home: Home) -> None:
    (home.folder / "0" / "RELEASE").unlink()
    gate, _ = home.change("1", returning=True).actions
    assert home.run(gate) == (1, f"{home.folder}/0 is no longer there\n")
    assert "KEY=new" in (home.folder / "env").read_text()


def test_a_release_starts_beside_the_old_one_is_noted_and_takes_over(home: Home) -> None:
    _, swap = home.change("2").actions
    assert home.run(swap) == (0, "")
    assert home.links("blue", "green", "current", "started/green/release") == ["1", "2", "2", "2"]
    noted = home.folder / "started" / "green"
    assert (noted / "gateway.env").read_text() == (home.folder / "env").read_text()
    assert noted.stat().st_mode & 0o777 == 0o700
    # The last time it was asked it was no longer held back.
    assert (home.folder / "asked").read_text() == ""
    assert home.log == [
        f"reset-failed {service('green')}",
        f"start {service('green')}",
        f"-q enable {service('green')}",
        f"-q disable {service('blue')}",
        f"stop --no-block {service('blue')}",
    ]


def test_a_release_that_does_not_answer_gives_way_to_the_old_one(home: Home) -> None:
    (home.folder / "silent").touch()
    _, swap = home.change("2").actions
    assert home.run(swap) == (
        1,
        f"{service('green')} does not answer; its journal ends with:\nthe journal\n"
        "release 1 serves on, with the configuration and the keys it had\n",
    )
    assert home.links("blue", "green", "current", "started/green/release") == ["1", "0", "1", "0"]
    assert "KEY=blue" in (home.folder / "env").read_text()
    assert list((home.folder / "llmrack").iterdir()) == []
    assert f"stop --no-block {service('green')}" in home.log


def test_what_starts_alone_is_not_held_back(home: Home) -> None:
    home.serve()
    _, swap = home.change("1").actions
    assert home.run(swap) == (0, "")
    assert (home.folder / "asked").read_text() == ""
    assert not any("disable" in line for line in home.log)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five releases, the first the oldest, and what an interruption left."""
    made = tmp_path / "releases"
    for number in range(1, 6):
        (made / str(number)).mkdir(parents=True)
        (made / str(number) / "RELEASE").touch()
        os.utime(made / str(number), (number, number))
    (made / "6.new").mkdir()
    return made


def pruned(folder: Path, keep: int, current: str) -> set[str]:
    # Ollama's is in the folder itself.
    link = folder / "current"
    link.symlink_to(folder / current)
    old = OldReleases(str(folder), "root", keep, f"{folder}/5", (str(link),), ("Gateway",))
    present = {str(file): PathSeen("d", "root", 0o755, "") for file in folder.iterdir()}
    (action,) = old.change(Seen(paths=present), ("Gateway",)).actions
    assert isinstance(action, Shell)
    subprocess.run(["sh", "-c", action.script], check=True)
    assert link.is_symlink()
    return {file.name for file in folder.iterdir()} - {"current"}


def test_the_newest_releases_stay(folder: Path):
    assert pruned(folder, 3, "5") == {"5", "4", "3"}


def test_a_release_that_is_in_use_stays_however_old(folder: Path):
    assert pruned(folder, 2, "1") == {"1", "5"}


def test_nothing_goes_where_no_release_is_in_use(folder: Path):
    assert len(pruned(folder, 2, "../elsewhere")) == 6


def test_what_a_process_works_in_stays(folder: Path):
    with subprocess.Popen(["sleep", "60"], cwd=folder / "2") as process:
        try:
            assert pruned(folder, 2, "1") == {"1", "2"}
        finally:
            process.kill()


@pytest.mark.parametrize(("present", "changed"), [(1, ("Gateway",)), (4, ())])
def test_no_release_goes_without_need(present: int, changed: tuple[str, ...]):
    old = OldReleases("/r", "llm", 2, "/r/1", (), ("Gateway",))
    paths = {f"/r/{n}": PathSeen("d", "llm", 0o755, "") for n in range(1, present + 1)}
    assert old.change(Seen(paths=paths), changed) is None


SAID = """release\tgateway\tbbb\t300\t10\t1.84.0
release\tgateway\taaa\t100\t10\t1.83.9
release\tollama\t0.34.4-c238986e\t200\t2000\t
release\tollama\t0.34.3-11111111\t100\t2000\t
link\tgateway\taaa\t400
link\tgateway\tbbb\t350
link\tollama\t0.34.4-c238986e\t210
all\t4020
llmrack\t0.2.0
"""


def test_what_was_started_last_is_current_and_the_other_one_previous():
    kept = parse(SAID.splitlines())
    states = {release.name: (release.state, release.since) for release in kept.releases}
    assert states == {
        "aaa": ("current", 400),
        "bbb": ("previous", 300),
        "0.34.4-c238986e": ("current", 210),
        "0.34.3-11111111": ("previous", 100),
    }
    assert kept.size == 4020 * 1024


def test_versions_are_those_of_litellm_and_ollama():
    versions = {release.name: release.version for release in parse(SAID.splitlines()).releases}
    assert versions["bbb"] == "1.84.0" and versions["0.34.3-11111111"] == "0.34.3"


def test_the_llmrack_that_deployed_a_host_is_told_and_older_ones_are_not_known() -> None:
    assert parse(SAID.splitlines()).llmrack == "0.2.0"
    assert parse(SAID.splitlines()[:-1]).llmrack is None


def test_releases_are_listed_with_their_links_and_sizes(tmp_path: Path) -> None:
    ollama, folder = tmp_path / "ollama", tmp_path / "gateway"
    packages = folder / "releases" / "aaa" / "venv" / "lib" / "python3.11" / "site-packages"
    (packages / "litellm-1.84.0.dist-info").mkdir(parents=True)
    (folder / "releases" / "aaa" / "RELEASE").touch()
    (folder / "releases" / "half").mkdir()
    (folder / "started" / "blue").mkdir(parents=True)
    (folder / "started" / "blue" / "release").symlink_to(folder / "releases" / "aaa")
    (ollama / "0.34.4-c2").mkdir(parents=True)
    (ollama / "0.34.4-c2" / "RELEASE").write_text("x")
    (ollama / "current").symlink_to(ollama / "0.34.4-c2")
    (tmp_path / "version").write_text("0.2.0\n")
    version = str(tmp_path / "version")
    script = script_file("deploy/list-releases.sh", version, str(folder), str(ollama))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    kept = parse(done.stdout.splitlines())
    assert [
        (release.what, release.name, release.version, release.state) for release in kept.releases
    ] == [
        ("gateway", "aaa", "1.84.0", "current"),
        ("ollama", "0.34.4-c2", "0.34.4", "current"),
    ]
    assert kept.size > 0
    assert kept.llmrack == "0.2.0"
