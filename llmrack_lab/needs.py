"""What the lab needs of the machine: root, and a handful of commands from Debian packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from llmrack_lab.shell import LabError, Progress, stream

PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "zstd": "zstd",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "tar": "tar",
}
"""Command → the Debian package that brings it."""


INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
# systemd takes about seven of a host; the kernel's default of 128 is used up by 18 hosts.
INOTIFY_INSTANCES = 1024


def allow_watching(progress: Progress) -> None:
    """Raise the kernel's limit of inotify instances to what the hosts of a few labs need.

    Beyond it a host hangs while it boots, without a word. The limit lasts until the machine's
    next boot.
    """
    try:
        if int(INOTIFY.read_text()) >= INOTIFY_INSTANCES:
            return
        INOTIFY.write_text(str(INOTIFY_INSTANCES))
    except OSError as error:
        progress(f"{INOTIFY} stays as it is ({error}): more than 18 hosts at once will not boot")
        return
    progress(f"raised {INOTIFY} to {INOTIFY_INSTANCES}")


def require_root() -> None:
    """Raise LabError unless this process is root: namespaces, mounts and firewall need it."""
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and mounts, so it needs root: use sudo")


def missing_packages() -> list[str]:
    """Names of the Debian packages whose commands this machine lacks, sorted."""
    return sorted({package for command, package in PACKAGES.items() if not _find(command)})


def install_missing(progress: Progress, log: Path) -> None:
    """Install what is missing with apt; LabError names the packages where that cannot be done."""
    packages = missing_packages()
    if not packages:
        return
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise LabError(f"the lab needs these packages and there is no apt-get here: {names}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    progress(f"installing packages: {names}")
    stream(["apt-get", "update"], progress, title="package lists", log=log)
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    stream(install, progress, title="packages", log=log)
    if packages := missing_packages():
        raise LabError(f"apt-get ran, and these packages are still missing: {' '.join(packages)}")


def _find(command: str) -> str | None:
    # sudo and cron often leave the sbin folders out of PATH.
    return shutil.which(command, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
