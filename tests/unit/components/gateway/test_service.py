"""Which release serves, which one served before, and which ones go."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llmrack.components.gateway.service import GatewayService, service
from llmrack.deploy.rollout.rollback import parse
from llmrack.resources.change import Shell
from llmrack.resources.look import PathSeen, Seen, UnitSeen
from llmrack.resources.old_releases import OldReleases

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
        units={service(each): UnitSeen("active", "enabled", True) for each in active.split()},
        paths={path: PathSeen("l", "llm", 0o777, link) for path, link in paths.items()},
    )


def test_the_idle_colour_is_what_ran_before():
    found = seen(blue="/g/2", green="/g/1", current="/g/2", started_green="/g/1")
    assert GATEWAY.previous(found) == "/g/1"
    gate, swap = GATEWAY.rollback(found).actions
    assert "take green" in gate.script and "/g/1/gate.py" in gate.script
    assert f"start {service('green')}" in swap.script


def test_without_a_note_of_it_there_is_nothing_to_go_back_to():
    assert GATEWAY.rollback(seen(blue="/g/2", green="/g/1", current="/g/2")) is None
    assert GATEWAY.rollback(Seen()) is None


def test_a_gateway_that_is_down_can_go_back():
    found = seen("", blue="/g/2", green="/g/1", current="/g/2", started_green="/g/1")
    assert GATEWAY.serving(found) == "blue"
    assert GATEWAY.rollback(found).why == "back to /g/1"


def test_of_two_that_run_the_current_one_serves_and_the_other_is_stopped():
    found = seen("blue green", blue="/g/1", green="/g/2", current="/g/2")
    assert GATEWAY.serving(found) == "green"
    change = GATEWAY.change(found, ())
    assert change.why == "two releases run"
    assert f"stop --no-block {service('blue')}" in change.actions[0].script


def test_one_that_was_only_watched_when_a_run_broke_off_is_tried_anew():
    found = seen("blue green", blue="/g/1", green="/g/2", current="/g/1")
    assert GATEWAY.serving(found) == "blue"
    gate, _ = GATEWAY.change(found, ()).actions
    assert f"stop {service('green')}" in gate.script


def test_what_is_down_starts_in_its_own_colour_and_keeps_the_way_back():
    found = seen("", blue="/g/1", green="/g/2", current="/g/2", started_blue="/g/1")
    _, swap = GATEWAY.change(found, ()).actions
    assert f"start {service('green')}" in swap.script
    # Nobody serves meanwhile, so it is not held back.
    assert ": >" not in swap.script


@pytest.fixture
def at_home(tmp_path: Path) -> GatewayService:
    """A gateway whose blue one was started with other keys than those that are there now."""
    started = tmp_path / "started" / "blue"
    started.mkdir(parents=True)
    (started / "release").symlink_to("/g/1")
    (started / "gateway.env").write_text("# ours\nKEY=old\nHAND=first\n")
    (started / "unit").write_text("old unit\n")
    (tmp_path / "env").write_text("# ours\nKEY=new\nHAND=second\nOTHER=new\n")
    (tmp_path / "unit").write_text("new unit\n")
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    env, unit = str(tmp_path / "env"), str(tmp_path / "unit")
    return GatewayService("root", str(tmp_path), "/g/2", "", env, ("KEY", "OTHER"), unit, 300, ())


def test_declared_keys_go_back_and_those_of_others_stay(at_home: GatewayService, tmp_path: Path):
    script = f"{at_home._back('blue', 'green')} take blue"
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": path})
    assert (tmp_path / "env").read_text() == "# ours\nKEY=old\nHAND=second\n"
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "unit").read_text() == "old unit\n"
    assert not list(tmp_path.glob("env.*"))


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
    there = {str(each): PathSeen("d", "root", 0o755, "") for each in folder.iterdir()}
    (action,) = old.change(Seen(paths=there), ("Gateway",)).actions
    assert isinstance(action, Shell)
    subprocess.run(["sh", "-c", action.script], check=True)
    assert link.is_symlink()
    return {each.name for each in folder.iterdir()} - {"current"}


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


@pytest.mark.parametrize(("there", "changed"), [(1, ("Gateway",)), (4, ())])
def test_no_release_goes_without_need(there: int, changed: tuple[str, ...]):
    old = OldReleases("/r", "llm", 2, "/r/1", (), ("Gateway",))
    paths = {f"/r/{n}": PathSeen("d", "llm", 0o755, "") for n in range(1, there + 1)}
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
    states = {each.name: (each.state, each.since) for each in kept.releases}
    assert states == {
        "aaa": ("current", 400),
        "bbb": ("previous", 300),
        "0.34.4-c238986e": ("current", 210),
        "0.34.3-11111111": ("previous", 100),
    }
    assert kept.size == 4020 * 1024


def test_versions_are_those_of_litellm_and_ollama():
    versions = {each.name: each.version for each in parse(SAID.splitlines()).releases}
    assert versions["bbb"] == "1.84.0" and versions["0.34.3-11111111"] == "0.34.3"


def test_the_llmrack_that_deployed_a_host_is_told_and_older_ones_are_not_known() -> None:
    assert parse(SAID.splitlines()).llmrack == "0.2.0"
    assert parse(SAID.splitlines()[:-1]).llmrack is None
