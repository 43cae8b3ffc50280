"""Hosts whose user managers get no user namespaces, or some that are of no use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llmrack.components.engines import ENGINES
from llmrack.components.system import sandbox
from llmrack.resources.look import Look, Seen, parse
from llmrack.resources.script import script_file
from tests.unit.declare import host

MAX, CLONE = "user/max_user_namespaces", "kernel/unprivileged_userns_clone"
RESTRICTED = "kernel/apparmor_restrict_unprivileged_userns"
PROFILE = "profile x /usr/lib/systemd/systemd-executor flags=(unconfined) {\n  userns,\n}\n"


def look(folder: Path, script: str, **replaced: str) -> Seen:
    """What a script of the look says of the files in ``folder``."""
    for path in replaced:
        script = script.replace(replaced[path], str(folder / path))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return parse([*done.stdout.splitlines(), "llmrack"], Look())


def namespaces(folder: Path, settings: dict[str, str], profile: str = "") -> Seen:
    for name, value in settings.items():
        (folder / "sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "sys" / name).write_text(f"{value}\n")
    if profile:
        (folder / "apparmor").mkdir()
        (folder / "apparmor" / "a-profile").write_text(profile)
    script = script_file("resources/look/host.sh")
    return look(folder, script, sys="/proc/sys", apparmor="/etc/apparmor.d")


@pytest.mark.parametrize(
    "settings",
    [
        {MAX: "127235"},
        {MAX: "127235", CLONE: "1"},
        {MAX: "127235", RESTRICTED: "0"},
        {},
    ],
    ids=["usual", "Debian", "Ubuntu, allowed", "unknown"],
)
def test_a_kernel_that_gives_namespaces_is_no_matter(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    seen = namespaces(tmp_path, settings)
    assert sandbox.without_namespaces(seen) is None
    assert sandbox.notes(seen) == []


@pytest.mark.parametrize(
    ("setting", "way_out"),
    [
        (MAX, "user.max_user_namespaces = 10000"),
        (CLONE, "kernel.unprivileged_userns_clone = 1"),
    ],
)
def test_a_kernel_that_gives_none_is_refused(tmp_path: Path, setting: str, way_out: str) -> None:
    seen = namespaces(tmp_path, {setting: "0"})
    reason = sandbox.without_namespaces(seen)
    assert reason and f"set {way_out} in /etc/sysctl.d" in reason
    assert sandbox.notes(seen) == []


@pytest.mark.parametrize("profile", ["", "profile x /usr/bin/x {\n}\n", f"# {PROFILE}"])
def test_namespaces_that_apparmor_makes_useless_are_told(tmp_path: Path, profile: str) -> None:
    seen = namespaces(tmp_path, {MAX: "127235", RESTRICTED: "1"}, profile)
    (note,) = sandbox.notes(seen)
    assert "sandbox has no effect here: AppArmor" in note and "docs/hosts.md" in note
    assert sandbox.without_namespaces(seen) is None


def test_a_profile_for_user_managers_makes_them_useful(tmp_path: Path) -> None:
    assert sandbox.notes(namespaces(tmp_path, {RESTRICTED: "1"}, PROFILE)) == []


def test_the_profile_of_the_page_is_one() -> None:
    page = (Path(__file__).parents[4] / "docs" / "hosts.md").read_text()
    assert PROFILE.partition("/")[2].split()[0] in page and "userns," in page


def limits(folder: Path, script_user: str, **settings: object) -> list[str]:
    script = script_file("resources/look/controllers.sh", script_user)
    seen = look(folder, script, cgroup="/sys/fs/cgroup")
    return ENGINES["ollama"].notes(host(**settings), seen)


BOTH = {"ollama_memory_max": "4G", "ollama_tasks_max": 512}


@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_limits_without_a_controller_are_told_before_and_after_the_first_deploy(
    tmp_path: Path, user: str
) -> None:
    (tmp_path / "cgroup").mkdir()
    memory, tasks = limits(tmp_path, user, **BOTH)
    assert memory.startswith("ollama_memory_max has no effect here: user managers have no memory")
    assert tasks.endswith("and without cgroup_disable=pids")
    assert limits(tmp_path, user) == []


@pytest.mark.parametrize("user", ["root", "no-such-user"])
def test_limits_of_a_manager_that_does_not_run_yet_are_those_of_the_hierarchy(
    tmp_path: Path, user: str
) -> None:
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cgroup" / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    assert limits(tmp_path, user, **BOTH) == []


def test_limits_of_a_manager_that_runs_are_its_own(tmp_path: Path) -> None:
    group = tmp_path / "cgroup" / "user.slice" / "user-0.slice" / "user@0.service"
    group.mkdir(parents=True)
    (tmp_path / "cgroup" / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (group / "cgroup.controllers").write_text("pids\n")
    (note,) = limits(tmp_path, "root", **BOTH)
    assert note.startswith("ollama_memory_max")
