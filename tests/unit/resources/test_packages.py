"""Packages are installed without a person, also while another program uses apt."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from llmrack.resources.ownership import MADE
from llmrack.resources.script import script_file

# Each call takes a line of the file ``busy``, and fails with it as apt does; without one it works.
APT_GET = """#!/bin/sh
echo "$DEBIAN_FRONTEND $NEEDRESTART_SUSPEND $NEEDRESTART_MODE $*" >>calls
case " $* " in *' -s '*) exit ;; esac
if [ -s busy ]; then
  head -n 1 busy >&2
  sed -i 1d busy
  exit 100
fi
echo "done: $*"
"""
HELD = "E: Could not get lock /var/{}. It is held by process 4711 ({})\n"
LISTS = HELD.format("lib/apt/lists/lock", "apt-get")
ARCHIVES = HELD.format("cache/apt/archives/lock", "unattended-upgr")
DPKG = HELD.format("lib/dpkg/lock-frontend", "dpkg")
PROGRAMS = {
    "apt-get": APT_GET,
    "apt-cache": "#!/bin/sh\n[ -e known ]\n",
    "sleep": "#!/bin/sh\necho sleep >>slept\n",
}
INSTALL = script_file("resources/install-packages.sh", "zstd")


def run(folder: Path, script: str, busy: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script with an apt that fails with the lines of ``busy``, one a call."""
    (folder / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "busy").write_text(busy)
    return subprocess.run(
        ["sh", "-c", script.replace(MADE, str(folder / "made"))],
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def naps(folder: Path) -> int:
    file = folder / "slept"
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.parametrize("lock", [LISTS, ARCHIVES], ids=["lists", "archives"])
@pytest.mark.parametrize("known", [True, False])
def test_locks_that_apt_does_not_wait_for_are_waited_for(
    tmp_path: Path, lock: str, known: bool
) -> None:
    if known:
        (tmp_path / "known").touch()
    done = run(tmp_path, INSTALL, 3 * lock)
    assert (done.returncode, done.stderr, naps(tmp_path)) == (0, "", 3)
    assert done.stdout.count(lock.replace("E: ", "waiting for up to 5 min: ")) == 1
    assert done.stdout.endswith("install zstd\n")


def test_a_lock_that_stays_ends_in_the_words_of_apt(tmp_path: Path) -> None:
    done = run(tmp_path, INSTALL, 1000 * LISTS)
    assert (done.returncode, done.stderr, naps(tmp_path)) == (1, LISTS, 100)


@pytest.mark.parametrize(
    "error", [DPKG, "E: Unable to locate package zstd\n"], ids=["dpkg", "unknown"]
)
def test_other_errors_are_not_waited_for(tmp_path: Path, error: str) -> None:
    (tmp_path / "known").touch()
    done = run(tmp_path, INSTALL, 1000 * error)
    assert (done.returncode, naps(tmp_path)) == (100, 0)
    # Those of the installation, and of the update that was to help.
    assert done.stderr == 2 * error


@pytest.mark.parametrize(
    "script",
    [
        INSTALL,
        script_file("resources/purge-packages.sh", "zstd"),
        script_file("gpu/install-driver.sh", "nouveau.conf", "zstd"),
        script_file("transfer/install-packages.sh", ".", "zstd"),
    ],
    ids=["install", "purge", "driver", "bundle"],
)
def test_nothing_is_asked_on_the_way(tmp_path: Path, script: str) -> None:
    run(tmp_path, script.replace("tar --no-same-owner", ": tar"))
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls
    for call in calls:
        assert call.startswith("noninteractive 1 l -q -o DPkg::Lock::Timeout=300 ")


def test_whatever_installs_does_it_in_this_way() -> None:
    folder = Path(__file__).parents[3] / "templates"
    callers = {
        str(file.relative_to(folder))
        for file in folder.rglob("*.sh")
        if any(
            "apt-get" in line and not line.lstrip().startswith("#")
            for line in file.read_text().splitlines()
        )
    }
    # These only ask.
    assert callers - {"resources/look/removable.sh", "transfer/ask-packages.sh"} == {
        "resources/apt.sh",
        "resources/look/host.sh",
    }
