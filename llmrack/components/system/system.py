"""The host itself: packages, the service user, linger, folders, and reasons to refuse it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from llmrack import __version__
from llmrack.components.engines import engines_on, models_folder
from llmrack.components.gpu.lines import LOOK
from llmrack.components.old_services.services import old_services_part
from llmrack.components.system.account import Linger, User
from llmrack.components.system.authority import Authority, AuthorityGone
from llmrack.components.system.clock import wrong_clock
from llmrack.resources.change import Change, Resource
from llmrack.resources.files import Directory, EnvironmentFile, File
from llmrack.resources.look import Look, Seen
from llmrack.resources.packages import ARCHITECTURES, Packages
from llmrack.secrets.value import Secret
from llmrack.site.site import Site
from llmrack.stack.fleet import GATEWAY_GROUP, Host
from llmrack.stack.schema import Stack

# The oldest systemd that carries out the units' hardening for user managers (Ubuntu 22.04).
OLDEST_SYSTEMD = 249
OLDEST_PYTHON = (3, 10)

MIB = 1024 * 1024
# On disk: 719 MB of LiteLLM's environment measured, and as much again while uv unpacks it.
GATEWAY_DISK = 1600 * MIB
# Where files from the controller arrive.
UPLOADS = "/var/tmp"  # noqa: S108  (what arrives there is checked by its digest)
# Where packages are installed, and where llmrack keeps its notes.
PROGRAMS, NOTED = "/usr", "/var/lib/llmrack"
# The file with the version of llmrack that deployed the host last; anybody may read it.
VERSION = f"{NOTED}/version"
# Kept free beside everything that is installed.
DISK_RESERVE = 500 * MIB


def resources(site: Site, host: Host, nonce: str) -> list[Resource]:
    """The resources of every host of the fleet; needs root. See ``by_component``."""
    stack, settings = site.stack, host.settings
    home = host.home
    packages = ["ca-certificates", "curl", "dbus-user-session", "libpam-systemd", "zstd"]
    folders = [home.units, home.config, home.cache]
    if GATEWAY_GROUP in host.groups:
        packages += ["python3", "python3-venv"]
        folders += [f"{home.gateway}/{part}" for part in ("releases", "venvs")]
    folders += [
        folder for engine in engines_on(stack, host) for folder in engine.home_folders(host)
    ]
    login = proxy_login(site, host, nonce) if engines_on(stack, host) else None
    return [
        Authority(host.authority) if host.authority else AuthorityGone(),
        Packages(tuple(sorted(packages)), bundle=host.bundle_folder, downloads=host.downloads),
        User(home.user, home.folder, settings.service_groups),
        Linger(home.user),
        *(Directory(path, home.user, 0o700 if path == home.config else 0o755) for path in folders),
        *([login] if login else ()),
        File(VERSION, f"{__version__}\n"),
    ]


def proxy_login(site: Site, host: Host, nonce: str) -> EnvironmentFile | None:
    """The file with the proxy's address and login, for units that reach the internet; or None."""
    proxy = host.proxy
    if proxy is None or proxy.login not in site.secrets:
        return None
    address = proxy.with_login({proxy.login: site.secrets[proxy.login].reveal()})
    values = {"HTTPS_PROXY": Secret(address)}
    return EnvironmentFile(host.home.proxy_login, values, host.home.user, nonce)


def refusals(host: Host, seen: Seen) -> list[str]:
    """The reasons to change nothing on ``host``; empty if there is none."""
    reasons = []
    settings = host.settings
    if seen.fact("pid1") != "systemd":
        return [f"it does not run systemd (its first process is {seen.fact('pid1') or 'unknown'})"]
    if int(seen.fact("systemd") or 0) < OLDEST_SYSTEMD:
        reasons.append(
            f"its systemd {seen.fact('systemd')} is older than {OLDEST_SYSTEMD}: "
            "upgrade to Debian 12, Ubuntu 22.04 or later"
        )
    if seen.fact("arch") not in ARCHITECTURES:
        reasons.append(f"its processor {seen.fact('arch')} is neither x86_64 nor aarch64")
    if seen.fact("apt") != "yes":
        reasons.append("it has no apt-get: only Debian and its derivatives are supported")
    if seen.fact("uid") != "0":
        reasons.append(
            "root is needed for packages, the user and linger: log in as root, or set another way "
            "to become root (docs/hosts.md)"
        )
    python = tuple(int(part) for part in seen.fact("python").split(".") if part)
    if GATEWAY_GROUP in host.groups and python and python < OLDEST_PYTHON:
        reasons.append(f"its Python {seen.fact('python')} is older than 3.10, which LiteLLM needs")
    entry = seen.users.get(settings.service_user)
    if entry and entry[5] != settings.service_home:
        reasons.append(
            f"its user {settings.service_user} lives in {entry[5]}, not in "
            f"{settings.service_home}: set service_home, or another service_user"
        )
    if settings.service_user == "root":
        reasons.append("service_user is root: services run as a user of their own")
    return reasons + wrong_clock(seen)


def look(stack: Stack, host: Host, look: Look) -> None:
    """Add to ``look`` what refusals and warnings need to see, beside the resources."""
    settings = host.settings
    look.disks |= {settings.service_home, models_folder(host), UPLOADS, PROGRAMS, NOTED}
    if settings.replaces:
        look.ask(old_services_part(settings, models_folder(host)))
    for engine in engines_on(stack, host):
        look.ask(LOOK)
        engine.look(host, look)


def read_only(host: Host, seen: Seen, changes: Collection[Change]) -> list[str]:
    """A reason for each read-only filesystem that ``changes`` would write to."""
    if not changes:
        return []
    places = {host.settings.service_home, models_folder(host), NOTED}
    if any(change.installs for change in changes):
        places.add(PROGRAMS)
    disks = {path: disk for path, disk in seen.disks.items() if path in places and disk.read_only}
    reasons = []
    for mount in sorted({disk.mount for disk in disks.values()}):
        paths = ", ".join(sorted(path for path, disk in disks.items() if disk.mount == mount))
        reasons.append(
            f"the filesystem at {mount} is mounted read-only, and there is something to change in "
            f"{paths}: find out why (dmesg), then mount -o remount,rw {mount}"
        )
    return reasons


@dataclass(frozen=True)
class Need:
    """Something that will be put on a host: its name, the path where it goes, its bytes."""

    item: str
    path: str
    size: int


def short_of_disk(seen: Seen, needs: list[Need]) -> list[str]:
    """A reason for each filesystem on which ``needs`` do not fit."""
    reasons = []
    for mount in sorted({seen.disks[need.path].mount for need in needs}):
        arriving = [need for need in needs if seen.disks[need.path].mount == mount]
        free = seen.disks[arriving[0].path].free
        total = sum(need.size for need in arriving)
        if total + DISK_RESERVE <= free:
            continue
        parts = ", ".join(f"{need.item} {need.size / MIB:,.0f} MiB" for need in arriving)
        reasons.append(
            f"the filesystem at {mount} has {free / MIB:,.0f} MiB free, but "
            f"{(total + DISK_RESERVE) / MIB:,.0f} MiB are needed ({parts}, and "
            f"{DISK_RESERVE / MIB:,.0f} MiB are kept free): make room, or set service_home or "
            "ollama_models to a larger filesystem"
        )
    return reasons
