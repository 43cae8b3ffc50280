"""Hosts in a bad way: a wrong clock, filesystems that take no writes or are full."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmrack.components.engines import ENGINES
from llmrack.components.gpu.driver import GpuDriver
from llmrack.components.plan import by_component
from llmrack.components.system import system
from llmrack.components.system.clock import slow_or_fast, wrong_clock
from llmrack.deploy.full_disks import explained
from llmrack.hosts.snapshot import Snapshot
from llmrack.resources.change import Change
from llmrack.resources.look import DiskSeen, Look, Seen, parse
from llmrack.resources.look_script import script
from llmrack.resources.packages import Packages
from llmrack.resources.script import script_text
from llmrack.stack.fleet import Fleet, Host
from tests.unit.components.gpu.test_driver import on
from tests.unit.declare import host, settings, site

HERE = "1795289000 2026-11-21 19:23"
PULL = Change("OllamaModel m:latest", "missing", ())
EMPTY = Seen(facts={"os": "debian", "os_version": "12", "arch": "x86_64"})


def at(host_time: str, controller_time: str = HERE) -> Seen:
    return Seen(facts={"time": host_time, "time_here": controller_time})


@pytest.mark.parametrize(
    ("host_time", "off"),
    [
        ("1763753000 2025-11-21 19:23", "365 days"),
        ("1826825000 2027-11-21 19:23", "365 days"),
        ("1795292660 2026-11-21 20:24", "61 min"),
    ],
)
def test_a_clock_that_is_far_off_is_refused(host_time, off):
    (reason,) = wrong_clock(at(host_time))
    assert reason.startswith(
        f"its clock says {host_time.split(' ', 1)[1]} UTC, this machine's 2026-11-21 19:23: "
        f"one of them is off by {off}: certificates"
    )
    assert slow_or_fast(at(host_time)) == []


def test_a_clock_that_is_a_little_off_is_told():
    (note,) = slow_or_fast(at("1795288400 2026-11-21 19:13"))
    assert note.endswith("one of them is off by 10 min")
    assert wrong_clock(at("1795288400 2026-11-21 19:13")) == []


@pytest.mark.parametrize("host_time", ["1795288955 2026-11-21 19:22", ""])
def test_a_clock_that_is_right_or_not_known_is_no_matter(host_time):
    assert wrong_clock(at(host_time)) + slow_or_fast(at(host_time)) == []


def test_the_look_tells_both_clocks():
    done = subprocess.run(["sh", "-c", script(Look(), "n")], capture_output=True, text=True)
    seen = parse(Snapshot().process(done.stdout.splitlines()), Look())
    assert seen.fact("time")
    assert wrong_clock(seen) + slow_or_fast(seen) == []


def disks(**states: DiskSeen) -> Seen:
    paths = {"home": "/home/llm", "noted": "/var/lib/llmrack", "usr": "/usr"}
    return Seen(disks={paths[name]: state for name, state in states.items()})


def test_a_filesystem_that_takes_no_writes_is_refused():
    seen = disks(home=DiskSeen("/home", 10**12, True), noted=DiskSeen("/", 10**12))
    (reason,) = system.read_only(host(), seen, [PULL])
    assert reason.startswith(
        "the filesystem at /home is mounted read-only, and there is something to change in "
        "/home/llm: find out why (dmesg), then mount -o remount,rw /home"
    )


def test_one_filesystem_is_refused_once():
    seen = disks(home=DiskSeen("/", 1, True), noted=DiskSeen("/", 1, True))
    (reason,) = system.read_only(host(), seen, [PULL])
    assert "in /home/llm, /var/lib/llmrack" in reason


@pytest.mark.parametrize("changes", [[], [PULL]])
def test_usr_may_be_read_only_while_nothing_is_installed(changes):
    assert system.read_only(host(), disks(usr=DiskSeen("/usr", 0, True)), changes) == []


def installing() -> list[Change]:
    """Every change that installs packages on some host: from Debian's archive, from a bundle."""
    gateway = Host("gw", frozenset({"gateway", "monitor"}), "10.0.0.9", settings())
    fleet = Fleet((host(ollama_bind="0.0.0.0"), gateway))
    resources = [
        resource
        for entry in fleet.hosts
        for part in by_component(site(fleet=fleet), entry, "amd64", "n").values()
        for resource in part
        if isinstance(resource, Packages)
    ]
    driver = GpuDriver(settings(gpu_driver="nvidia")).change(on("debian12", "no_driver"), ())
    bundled = Packages(("zstd",), "A name", Path("/b")).change(EMPTY, ())
    changes = [resource.change(EMPTY, ()) for resource in resources]
    return [change for change in (driver, bundled, *changes) if change]


@pytest.mark.parametrize("change", installing(), ids=lambda change: change.resource)
def test_whatever_installs_packages_needs_usr_to_take_writes(change):
    (reason,) = system.read_only(host(), disks(usr=DiskSeen("/usr", 0, True)), [change])
    assert reason.startswith("the filesystem at /usr is mounted read-only")


def test_a_driver_that_waits_for_a_boot_leaves_usr_alone():
    change = GpuDriver(settings(gpu_driver="nvidia", gpu_reboot=True)).change(
        on("debian12", "mismatch"), ()
    )
    assert change
    assert system.read_only(host(), disks(usr=DiskSeen("/usr", 0, True)), [change]) == []


def test_a_models_directory_that_is_read_only_is_told_as_such():
    seen = Seen(
        access={"/srv/models": ("read-only", "/srv/models")},
        disks={"/srv/models": DiskSeen("/srv", 10**12, True)},
        users={"llm": []},
    )
    reason = ENGINES["ollama"].unusable(host(ollama_models="/srv/models"), seen)
    assert "the filesystem at /srv is mounted read-only; find out why (dmesg), then mount" in reason


def test_the_look_tells_what_is_mounted_read_only():
    mount = (
        "mount -t tmpfs tmpfs /mnt && mkdir /mnt/a && mount -t tmpfs -o ro,size=1m tmpfs /mnt/a && "
    )
    look = script(Look(disks={"/mnt/a/b/c", "/mnt/d"}), "n")
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount + look]
    done = subprocess.run(words, capture_output=True, text=True)
    seen = parse(done.stdout.splitlines(), Look())
    assert seen.disks["/mnt/a/b/c"] == DiskSeen("/mnt/a", 1024 * 1024, True)
    assert (seen.disks["/mnt/d"].mount, seen.disks["/mnt/d"].read_only) == ("/mnt", False)


class Rack:
    """As much of a host as `explained` needs."""

    models_folder = "/srv/models"
    run = SimpleNamespace(nonce="n")
    sudo = False

    def __init__(self) -> None:
        self.host = host()
        self.pyinfra_host = self

    def get_fact(self, *_: object, **__: object) -> list[str]:
        free = "disk\t{}\t{}\t{}\t{}"
        return [
            free.format("/home/llm", "/home", 3 * 1024 * 1024, ""),
            free.format("/srv/models", "/srv", 0, "read-only"),
            free.format("/usr", "/", 10**12, ""),
            "llmrack",
        ]


@pytest.mark.parametrize(
    "message",
    [
        "tar: bin/ollama: Cannot write: No space left on device",
        "write /srv/models/blobs/x: no space left on device",
        "mktemp: failed to create file via template: Read-only file system",
        "curl: (23) Failure writing output to destination",
        "sh: 1: echo: echo: I/O error",
        "E: You don't have enough free space in /var/cache/apt/archives/.",
    ],
)
def test_what_could_not_be_written_is_explained_by_the_filesystems(message):
    assert explained(Rack(), message) == (
        f"{message}\n      the filesystem at /home has 3 MiB free, /srv is read-only: make room "
        "there, or it writable, then deploy again; that goes on where this one ended"
    )


def test_another_reason_is_left_as_it_is():
    assert explained(Rack(), "curl: (6) Could not resolve host") == (
        "curl: (6) Could not resolve host"
    )


def test_a_full_disk_loses_no_note_of_what_was_made(tmp_path):
    # A filesystem of one page: the notes, and no room for another file.
    made = "".join(f"package p{number}\n" for number in range(300))
    notes = script_text("resources/notes.sh").replace("/var/lib/llmrack", "/mnt/n")
    steps = (
        f"mount -t tmpfs -o size=4k tmpfs /mnt && mkdir /mnt/n && cat >/mnt/n/made || exit 9\n"
        f"{notes}\nforget 'package p1'; echo $?; cat /mnt/n/made"
    )
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", steps]
    done = subprocess.run(words, input=made, capture_output=True, text=True)
    assert done.stdout == f"1\n{made}", done.stderr
