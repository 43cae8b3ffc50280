"""Hosts and machines in an unusual state: locale, filesystems, paths, clock.

Host: box1. Its locale is de_DE.ISO-8859-1, its home is on one filesystem and its models are on
another one; it is deployed by a machine whose locale is C, from paths with spaces.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from llmrack.resources.script import script_file
from llmrack_lab.lab import Lab
from tests.lab.faults.disks import Disk
from tests.lab.faults.german_site import BOX, BOXES, HOME, MODELS, PROMPT, GermanSite
from tests.lab.faults.table import record
from tests.lab.site import ROOT, STACK, Run, Site

UNIT = "llmrack-ollama@main.service"
# What Python makes of the locales C and POSIX unless it is told not to is UTF-8.
ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LATIN = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "iso-8859-1:strict"}


@pytest.fixture(scope="module")
def bare(lab: Lab, fresh: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Site:
    fresh(BOX)
    folder = tmp_path_factory.mktemp("site") / "my rack for it"
    folder.mkdir()
    site = GermanSite(lab, folder)
    locale = "de_DE.ISO-8859-1"
    site.on(
        BOX,
        "apt-get -q -y install --no-install-recommends locales >/dev/null 2>&1 && "
        f"localedef -i de_DE -f ISO-8859-1 {locale} && "
        f"echo LANG={locale} | tee /etc/default/locale /etc/locale.conf && "
        f"mkdir -p /etc/environment.d && echo LANG={locale} >/etc/environment.d/locale.conf",
    )
    assert site.on(BOX, "locale charmap") == "ISO-8859-1"
    for mount in ("/srv/home", "/srv/disk"):
        Disk(site, BOX, mount)
    return site


@pytest.fixture(scope="module")
def first(bare: GermanSite) -> Run:
    bare.declare_german()
    return bare.deploy(**ASCII)


@pytest.fixture
def site(bare: GermanSite, first: Run) -> GermanSite:
    """The box as it was first deployed."""
    assert first.code == 0, first.output
    bare.declare_german()
    return bare


def system_prompt(site: Site) -> str:
    body = json.dumps({"model": "gruesse"})
    told = site.on(BOX, f"curl -fs http://127.0.0.1:11434/api/show -d '{body}'")
    return str(json.loads(told)["system"])


def process(site: Site) -> str:
    return site.as_service(BOX, f"systemctl --user show -P MainPID {UNIT}")


def test_a_locale_that_is_not_utf_8_makes_no_difference(site: GermanSite, first: Run) -> None:
    assert "checks proven" in first.output and "Traceback" not in first.output
    assert system_prompt(site) == PROMPT
    locale = site.environment_of(BOX, "llmrack-gateway@blue.service")["LANG"]
    assert locale == "de_DE.ISO-8859-1"
    assert site.chat(BOX, "gruesse").status_code == 200
    # What another locale makes of the same declaration is the same.
    site.settled()
    record(
        "locale: POSIX on the machine that deploys (PYTHONUTF8=0), umlauts in the stack",
        "a deploy like any other",
        "deployed and proven; the same declaration under UTF-8 changes nothing",
    )
    record(
        "locale: de_DE.ISO-8859-1 on the host, in its services too",
        "a deploy like any other",
        "deployed and proven; a system prompt with umlauts arrives as declared",
    )


def shown(site: Site, *words: str, **environment: str) -> tuple[int, bytes]:
    """The exit code of a command, and what it shows on such a terminal."""
    done = subprocess.run(
        [Path(sys.executable).parent / "llmrack", *words, "-i", site.inventory],
        cwd=ROOT,
        env={**os.environ, "LLMRACK_LAB": site.lab.name, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert b"Traceback" not in done.stdout
    return done.returncode, done.stdout


@pytest.mark.parametrize("environment", [ASCII, LATIN], ids=["POSIX", "ISO-8859-1"])
@pytest.mark.parametrize(
    "words", [("plan", "--files"), ("graph",), ("status",), ("releases",)], ids=" ".join
)
def test_what_a_terminal_cannot_show_ends_no_command(
    site: GermanSite, words: tuple[str, ...], environment: dict[str, str]
) -> None:
    code, said = shown(site, *words, **environment)
    assert code == 0, said


@pytest.mark.parametrize("environment", [ASCII, LATIN], ids=["POSIX", "ISO-8859-1"])
def test_a_mistake_is_told_whatever_the_terminal_can_show(
    site: GermanSite, environment: dict[str, str]
) -> None:
    text = yaml.safe_dump(STACK | {"default_chain": ["Äpfel→"]}, allow_unicode=True)
    (site.folder / "stack.yaml").write_text(text, encoding="utf-8")
    code, said = shown(site, "check", **environment)
    assert code == 1 and b"default_chain" in said, said


def test_an_umlaut_in_a_path_is_no_matter_under_the_locale_c(site: GermanSite) -> None:
    folder = site.folder / "für München"
    folder.mkdir(exist_ok=True)
    own = Site(site.lab, folder)
    own.declare(BOXES)
    run = own.run("llmrack", "check", "-i", own.inventory, LC_ALL="C")
    assert run.code == 0, run.output


def test_home_and_models_on_filesystems_of_their_own_are_used(site: GermanSite) -> None:
    links = f"{HOME}/.local/opt/ollama/current {HOME}/.local/opt/llmrack-gateway/current {MODELS}"
    mounts = site.on(BOX, f"df --output=target $(realpath {links}) /tmp /srv").split()[2:]
    assert mounts == ["/srv/home", "/srv/home", "/srv/disk", "/tmp", "/"]
    assert site.chat(BOX, "llama3.2:1b").status_code == 200
    record(
        "home and models on filesystems of their own, neither of them that of /tmp or /srv",
        "a deploy like any other; what is switched is renamed within its folder",
        "deployed, proven, settled",
    )


@pytest.fixture(scope="module")
def project(bare: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in a folder with spaces in its path."""
    folder = tmp_path_factory.mktemp("a b") / "my rack"
    folder.mkdir()
    for name in ("llmrack", "templates", "group_data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("deploy.py", "config.py", "verify.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".lab").symlink_to(ROOT / ".lab")
    return folder


def test_a_project_in_a_path_with_spaces_is_the_same(site: GermanSite, project: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "pyinfra", site.inventory, "deploy.py", "-y"],
        cwd=project,
        env={**os.environ, "LLMRACK_LAB": site.lab.name, "PYTHONPATH": str(project),
             "PYINFRA_PROGRESS": "off", "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    run = Run(done.returncode, done.stdout + done.stderr)
    assert run.code == 0, run.output
    assert not run.changed, run.output
    record(
        "spaces in the path of the project, of the inventory and of the stack",
        "a deploy like any other",
        "deployed; a copy of the project in a path with spaces changes nothing",
    )


def test_a_home_with_a_space_is_refused_before_a_host_is_touched(site: GermanSite) -> None:
    site.declare(BOXES, service_home="/srv/my home")
    run = site.deploy()
    assert run.code == 1
    assert "service_home (host box1): has characters that are not allowed" in run.output
    assert "no host was touched" in run.output
    record(
        "a space in service_home or ollama_models",
        "works, or is refused before a host is touched",
        "refused: the setting, its host, and what is allowed",
    )


@contextmanager
def pretended_time(site: Site, offset: str) -> Iterator[None]:
    """Logins see another time, by Debian's libfaketime; a lab's hosts share one real clock."""
    site.on(BOX, "dpkg -s libfaketime >/dev/null 2>&1 || apt-get -q -y install libfaketime >&2")
    library = site.on(BOX, "dpkg -L libfaketime | grep 'libfaketime.so'").splitlines()[0]
    lines = f"LD_PRELOAD={library}\\nFAKETIME={offset}\\nFAKETIME_DONT_FAKE_MONOTONIC=1"
    site.on(BOX, f"cp -p /etc/environment /etc/environment.own; printf '{lines}\\n' "
                 ">>/etc/environment")  # fmt: skip
    try:
        yield
    finally:
        site.on(BOX, "mv /etc/environment.own /etc/environment")


@pytest.mark.parametrize(("offset", "said"), [("-365d", "behind"), ("+365d", "ahead")])
def test_a_clock_that_is_a_year_off_is_refused(site: GermanSite, offset: str, said: str) -> None:
    before = process(site), site.listing(BOX)
    site.declare_change()
    with pretended_time(site, offset):
        run = site.deploy()
    assert run.code == 1, run.output
    assert re.search(
        r"\[box1\] refused, nothing was changed: its clock says \S+ \S+ UTC, this machine's "
        r"\S+ \S+: one of them is off by 36[45] days",
        run.output,
    ), run.output
    assert process(site) == before[0]
    assert site.chat(BOX, "llama3.2:1b").status_code == 200
    seconds = site.recovered()
    record(
        f"clock: a year {said}",
        "refused before anything is changed; both clocks are named; what serves goes on",
        "refused: both clocks, by how much they differ, and the way out; nothing was changed",
        seconds,
    )


def test_a_clock_that_is_ten_minutes_off_is_told(site: GermanSite) -> None:
    with pretended_time(site, "-10m"):
        run = site.deployed()
    assert re.search(r"\[box1\] its clock says .*: one of them is off by 10 min", run.output)
    assert not run.changed, run.output
    record("clock: ten minutes behind", "told; the run goes on", "told; the run went on")


@contextmanager
def read_only(site: Site, mount: str) -> Iterator[None]:
    site.on(BOX, f"mount --bind {mount} {mount} && mount -o remount,bind,ro {mount}")
    try:
        yield
    finally:
        site.on(BOX, f"umount -l {mount}")


@pytest.mark.parametrize("mount", ["/srv/home", "/srv/disk", "/var", "/usr"])
def test_a_filesystem_that_is_read_only_is_refused(site: GermanSite, mount: str) -> None:
    site.declare_change()
    if mount == "/usr":
        site.on(BOX, "dpkg -r --force-depends zstd")
    before = process(site), site.listing(BOX)
    with read_only(site, mount):
        run = site.deploy()
        assert site.chat(BOX, "llama3.2:1b").status_code == 200
    assert run.code == 1, run.output
    reasons = re.findall(r"\[box1\] (?:refused, nothing was changed|.* failed): .*", run.output)
    assert len(reasons) == 1, run.output
    assert f"the filesystem at {mount} is mounted read-only" in reasons[0]
    assert (process(site), site.listing(BOX)) == before
    seconds = site.recovered()
    record(
        f"read-only: {mount}",
        "one error names host, place and way out; nothing half applied; what serves goes on",
        "refused before anything was changed; the gateway and Ollama served on",
        seconds,
    )


# Another program, which has the lock for 6 s.
HOLD = """
import fcntl, os, sys, time
if os.fork():
    time.sleep(0.5)
    sys.exit()
os.setsid()
os.closerange(0, 3)
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(6)
"""


@pytest.mark.parametrize(
    "lock",
    ["/var/lib/dpkg/lock-frontend", "/var/cache/apt/archives/lock", "/var/lib/apt/lists/lock"],
)
def test_packages_wait_while_another_program_uses_apt(site: Site, lock: str) -> None:
    # Without lists nothing is known of the package, and they are fetched.
    forget = "rm -r /var/lib/apt/lists/*; " if "lists" in lock else ""
    hold = f"{forget}python3 -c {shlex.quote(HOLD)} {lock}"
    install = script_file("resources/install-packages.sh", "bc")
    said = site.on(BOX, f"{hold}\n{install} 2>&1\ncommand -v bc")
    assert said.endswith("/usr/bin/bc")
    assert f"Could not get lock {lock}" in said
    site.on(BOX, script_file("resources/purge-packages.sh", "bc"))
    assert site.on(BOX, "command -v bc", check=False) == ""
    record(
        f"apt: another program has {lock}",
        "a run waits for up to five minutes",
        "waited for 6 s, then installed",
    )
