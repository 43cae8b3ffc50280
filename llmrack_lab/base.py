"""The base of every host: a minimal Debian, built once by debootstrap and shared read-only."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from llmrack_lab.machine import apt_settings, apt_sources, debian_mirror
from llmrack_lab.owned import locked
from llmrack_lab.shell import LabError, Progress, remove_folder, stream

DEBIAN = {"bookworm": 12, "trixie": 13}
"""The releases of Debian that hosts can have, with their numbers; the first is the default."""

SUITE = next(iter(DEBIAN))
INCLUDE = (
    "systemd-sysv,dbus,dbus-user-session,libpam-systemd,openssh-server,sudo,python3,python3-venv,"
    "curl,ca-certificates,iproute2,nftables,zstd"
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# Mount and process namespaces of its own: whatever ends the build ends and unmounts all of it.
ALONE = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)

# debootstrap cannot take a path with spaces, hence the bind mounts.
SCRIPT = """
set -eu
part=$1 debs=$2 suite=$3 mirror=$4 arch=$5 include=$6 sources=$7 settings=$8
mount -t tmpfs tmpfs /mnt
mkdir /mnt/base /mnt/debs
mount --bind "$part" /mnt/base
mount --bind "$debs" /mnt/debs
# An older debootstrap does not know the release; its script is the same for all that are recent.
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || script=${script%/*}/sid
debootstrap --variant=minbase --arch="$arch" --include="$include" --cache-dir=/mnt/debs \\
    "$suite" /mnt/base "$mirror" "$script"
printf %s "$sources" > /mnt/base/etc/apt/sources.list.d/lab.sources
printf %s "$settings" > /mnt/base/etc/apt/apt.conf.d/90lab
rm -f /mnt/base/etc/apt/sources.list
cp --dereference /etc/resolv.conf /mnt/base/etc/resolv.conf
cp /etc/ssl/certs/ca-certificates.crt /mnt/base/etc/ssl/certs/ca-certificates.crt
chroot /mnt/base sh -eu <<'END'
apt-get clean
apt-get update
useradd --create-home --uid 1000 --shell /bin/bash --groups sudo admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
chmod 0440 /etc/sudoers.d/admin
install -d -m 700 /root/.ssh
install -d -m 700 -o admin -g admin /home/admin/.ssh
install -d /etc/uv /var/cache/lab/uv /var/cache/lab/pip /var/cache/lab/apt
# Each lab has host keys and each host an identity of its own.
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id
touch /etc/machine-id
# Background jobs of a box would disturb measurements; a console login has no console here.
systemctl mask apt-daily.timer apt-daily-upgrade.timer console-getty.service
systemctl enable ssh.service
END
"""


def host_architecture() -> str:
    """Debian's name of this machine's architecture, which is the hosts' too."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise LabError(f"the lab knows {', '.join(ARCHITECTURES)} machines; this one is {machine}")
    return ARCHITECTURES[machine]


def ensure_base(root: Path, progress: Progress, suite: str = SUITE) -> Path:
    """Return the folder of the base, building it beside its place and renaming it if need be.

    It is named after its release of Debian (``suite``, one of DEBIAN) and the hash of its recipe.
    The build takes about a minute.
    """
    architecture = host_architecture()
    mirror, sources, settings = debian_mirror(suite), apt_sources(suite), apt_settings()
    recipe = (suite, mirror, architecture, INCLUDE, sources, settings)
    digest = hashlib.sha256("\0".join([SCRIPT, *recipe]).encode()).hexdigest()
    base = root / f"base-{suite}-{digest[:12]}"
    if base.is_dir():
        return base
    with locked(root / "base.lock", progress):
        if base.is_dir():
            return base
        part = root / "base.part"
        remove_folder(part)
        part.mkdir()
        part.chmod(0o755)
        debs = root / "cache" / "debootstrap"
        debs.mkdir(parents=True, exist_ok=True)
        progress(f"building the hosts' base system (Debian {suite}, about a minute, once)")
        stream(
            [*ALONE, "sh", "-c", SCRIPT, "sh", part, debs, *recipe],
            progress,
            title="base",
            log=root / "base.log",
        )
        part.rename(base)
        _remove_unused(root, base, suite)
    return base


def _remove_unused(root: Path, newest: Path, suite: str) -> None:
    """Remove the bases of this suite before the newest, as far as no lab uses them."""
    used = {newest, *(link.resolve() for link in root.glob("*/base"))}
    others = tuple(f"base-{other}-" for other in DEBIAN if other != suite)
    for base in set(root.glob("base-*")) - used:
        if not base.name.startswith(others):
            remove_folder(base)
