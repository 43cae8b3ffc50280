"""One throw-away host: a Debian that systemd-nspawn boots over an overlay of the base."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmrack_lab import gpus, processes
from llmrack_lab.disk import Disk
from llmrack_lab.files import HostFiles, write_archive
from llmrack_lab.shell import LabError, Progress, run, wait_until

CGROUPS = tuple(
    path
    for path in map(Path, ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"))
    if (path / "cgroup.procs").exists()
)
"""Where systemd keeps its tree: the last of these in a unified layout, the others in a hybrid."""

BOOT_DEADLINE = 60.0
POWER_OFF = signal.SIGRTMIN + 4
"""What systemd takes as the request to switch a machine off (systemd(1), signals)."""

CACHES = ("uv", "pip", "apt")

OPEN_TO_ALL = struct.pack("<I" + 3 * "HHI", 2, 1, 7, 2**32 - 1, 4, 7, 2**32 - 1, 32, 7, 2**32 - 1)
"""A default ACL (linux/posix_acl_xattr.h): rwx for owner, group and others, whatever the umask.

So root and a service user can share one cache of uv.
"""

KEEPER = Path(__file__).with_name("keeper.sh")
"""What boots a host, and boots it again when it reboots."""


@dataclass(frozen=True)
class HostPlace:
    """Where a host lives: names and folders that its lab gives it.

    `machine` is its name among all labs' hosts; `files` makes the files of a new disk.
    """

    machine: str
    lab_id: str
    folder: Path
    base: Path
    cache: Path
    namespace: Path
    ssh_config: Path
    files: Callable[[], HostFiles]


class LabHost:
    """A host of a lab: `name` (box1), `address` (IPv4 in the lab's subnet)."""

    def __init__(self, name: str, address: str, place: HostPlace) -> None:
        self.name = name
        self.address = address
        self.disk = Disk(place.folder)
        self._place = place

    def ssh(
        self,
        command: str,
        input: str | None = None,
        check: bool = True,
        user: str = "root",
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the host as `user` (root or admin), `input` on its stdin.

        Raises LabError with the end of its error output when it fails, unless `check` is false.
        """
        arguments = ["-o", "BatchMode=yes", f"{user}@{self.name}", command]
        words = ["ssh", "-F", str(self._place.ssh_config), *arguments]
        done = run(words, input=input, check=False, timeout=timeout)
        if check and done.returncode:
            tail = " | ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise LabError(f"{self.name}: a command failed ({done.returncode}): {tail}")
        return done

    def is_running(self) -> bool:
        """Whether the host has a process at all."""
        return self._init() is not None

    def answers(self) -> bool:
        """Whether its sshd accepts connections."""
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait_ready(self, deadline: float = BOOT_DEADLINE, tell: Progress | None = None) -> None:
        """Wait until sshd answers and systemd has finished booting (running or degraded).

        `deadline` is in seconds; LabError when it passes or the host dies, with its last console
        lines.
        """
        started = time.monotonic()
        if not wait_until(lambda: self.answers() or not self._keepers(), deadline, tell=tell):
            raise self._not_ready(f"sshd does not answer after {deadline:.0f} s")
        if not self._keepers():
            raise self._not_ready("it ended while booting")
        left = max(1.0, deadline - (time.monotonic() - started))
        if not wait_until(self._has_booted, left, tell=tell):
            raise self._not_ready(f"systemd is still starting units after {deadline:.0f} s")

    def boot(self) -> None:
        """Start the host over its disk, which is made if there is none; returns before it is ready.

        Nothing of an earlier boot may run any more: see `kill`.
        """
        place = self._place
        if self.disk.is_new:
            write_archive(place.folder / "files.tar", place.files())
        lower = self.disk.prepare()
        groups = [self._cgroup(tree) for tree in CGROUPS]
        for group in groups:
            group.mkdir(exist_ok=True)
        alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        keeper = [*alone, "sh", str(KEEPER)]
        joined = ":".join(map(str, groups))
        places = [place.folder, place.base, lower, place.cache, joined, place.namespace]
        nspawn = [
            f"--directory={place.folder / 'root'}",
            f"--machine={place.machine}",
            f"--hostname={self.name}",
            f"--network-namespace-path={place.namespace}",
            f"--setenv={processes.MARK}={processes.mark(place.lab_id, self.name)}",
            *("--boot", "--capability=CAP_NET_ADMIN", "--console=pipe", "--register=no"),
            *("--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
            *(f"--bind={_escaped(cache)}:/var/cache/lab/{cache.name}" for cache in self._caches()),
        ]
        processes.start(
            [*keeper, *map(str, places), *nspawn],
            lab_id=place.lab_id,
            role=self.name,
            log=self._console,
        )

    def reboot(self, deadline: float = BOOT_DEADLINE) -> None:
        """Reboot in good order, as Ctrl-Alt-Del does, and wait until it is ready again."""
        if not self._go_down(signal.SIGINT, deadline):
            raise LabError(f"{self.name} does not run: `llmrack lab up` boots it")
        self.wait_ready(deadline)

    def switch_off(self, deadline: float = BOOT_DEADLINE) -> None:
        """End it in good order and wait until it is off; no error where it does not run.

        `deadline` is in seconds; LabError when it passes.
        """
        self._go_down(POWER_OFF, deadline)
        self.kill()

    def power_cut(self, deadline: float = BOOT_DEADLINE) -> None:
        """End every process of the host at once, boot it from the same disk, wait until ready."""
        self.kill()
        self.boot()
        self.wait_ready(deadline)

    def reset(self, deadline: float = BOOT_DEADLINE) -> None:
        """Make it a fresh host: cut the power, wipe the disk, boot, wait until ready."""
        self.kill()
        self.disk.wipe()
        self.boot()
        self.wait_ready(deadline)

    def set_gpus(
        self,
        count: int,
        state: str = "fine",
        vendor: str = "nvidia",
        *,
        reverse: bool = False,
        seconds: float | None = None,
    ) -> None:
        """Pretend that the host has `count` GPUs, from now on and after each boot and reset.

        States and `reverse`: see `gpus.pretence`; `seconds`: see `gpus.ready_after`. Raises
        LabError for a state that there is not.
        """
        pretended = gpus.pretence(self.name, count, state, vendor, reverse=reverse)
        if seconds is not None:
            pretended = gpus.ready_after(pretended, seconds)
        self.ssh("pretended-gpus set", input=pretended.to_json())
        gpus.declare(self._place.folder, pretended)

    def offer_gpu_driver(
        self, version: str = gpus.DRIVER, packages: Sequence[str] = gpus.DRIVER_PACKAGES
    ) -> None:
        """Let apt on the host install a pretended driver under these names of packages.

        The GPUs work from the first boot on after it was installed.
        """
        headers = f"linux-headers-{os.uname().release}"
        self.ssh(shlex.join(["pretended-gpus", "offer", version, *packages, headers]))

    def fault(self, body: Mapping[str, object], port: int = 11434) -> None:
        """Make its stand-in of Ollama misbehave: `mode`, and what else docs/lab.md names.

        LabError when it does not know how, or when there is no stand-in.
        """
        door = f"--abstract-unix-socket llmrack-standin-{port} http://localhost/__standin__/fault"
        ask = f"curl -sS --fail-with-body --json @- {door}"
        done = self.ssh(ask, input=json.dumps(body), check=False)
        if done.returncode:
            why = (done.stdout or done.stderr).strip()
            raise LabError(f"{self.name} does not show the fault {body['mode']!r}: {why}")

    def kill(self) -> None:
        """Cut the power; the disk stays."""
        processes.kill(self._place.lab_id, self.name, [self._place.namespace])
        for tree in CGROUPS:
            remove_cgroup(self._cgroup(tree))

    @property
    def _console(self) -> Path:
        return self._place.folder / "console.log"

    def _caches(self) -> list[Path]:
        root = self._place.cache
        root.mkdir(parents=True, exist_ok=True)
        # What is below is open to every user of a host, so no user of this machine may get there.
        root.chmod(0o700)
        caches = [root / name for name in CACHES]
        for cache in caches:
            cache.mkdir(exist_ok=True)
            cache.chmod(0o777)
            with contextlib.suppress(OSError):  # a file system without ACLs
                os.setxattr(cache, "system.posix_acl_default", OPEN_TO_ALL)
        return caches

    def _cgroup(self, tree: Path) -> Path:
        return tree / self._place.machine

    def _keepers(self) -> list[processes.Process]:
        return processes.find(self._place.lab_id, self.name)

    def _init(self) -> processes.Process | None:
        return next((process for process in self._keepers() if process.is_init), None)

    def _go_down(self, request: int, deadline: float) -> bool:
        """Ask systemd to shut the host down and wait; False where there is nothing to shut down."""
        init = self._init()
        handle = processes.send(init, self._place.lab_id, request) if init else None
        if handle is None:
            return False
        try:
            if not wait_until(lambda: processes.has_ended(handle), deadline):
                raise self._not_ready(f"it did not go down within {deadline:.0f} s")
        finally:
            os.close(handle)
        return True

    def _has_booted(self) -> bool:
        done = self.ssh("systemctl is-system-running", check=False, timeout=30)
        return done.stdout.strip() in ("running", "degraded")

    def _not_ready(self, why: str) -> LabError:
        console = self._console.read_text(errors="replace") if self._console.exists() else ""
        tail = " | ".join(line.strip() for line in console.strip().splitlines()[-4:])
        return LabError(f"{self.name}: {why}; its console ({self._console}) ends with: {tail}")


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def remove_cgroup(group: Path) -> None:
    """Remove a cgroup with those below it, once its last process is gone. Raises LabError."""

    def is_gone() -> bool:
        # Busy until the kernel has buried the last process.
        for folder in (*sorted(group.rglob("*/"), reverse=True), group):
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not group.exists()

    if not wait_until(is_gone, 5, every=0.02):
        raise LabError(f"the cgroup {group} stays busy: look at the processes in its cgroup.procs")
