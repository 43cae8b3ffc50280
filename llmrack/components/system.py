"""The host itself: packages, the service user, linger, folders. And hosts that are refused."""

from __future__ import annotations

from llmrack.components.paths import Home
from llmrack.resources.account import Linger, User
from llmrack.resources.change import Resource
from llmrack.resources.files import Directory
from llmrack.resources.look import Seen
from llmrack.resources.packages import Packages
from llmrack.stack.fleet import GATEWAY_GROUP, Host, is_engine
from llmrack.stack.schema import Stack

# The oldest systemd that carries out the units' hardening for user managers (Ubuntu 22.04).
OLDEST_SYSTEMD = 249
OLDEST_PYTHON = (3, 10)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

MIB = 1024 * 1024
# On disk: 719 MB of LiteLLM's environment measured, and as much again while uv unpacks it.
GATEWAY_DISK = 1600 * MIB
# Kept free beside everything that is installed.
DISK_RESERVE = 500 * MIB


def resources(stack: Stack, host: Host) -> list[Resource]:
    """What every host of the fleet gets; needs root."""
    settings = host.settings
    home = Home(settings.service_user, settings.service_home)
    packages = ["ca-certificates", "curl", "dbus-user-session", "libpam-systemd", "zstd"]
    folders = [home.units, home.config, home.cache]
    if GATEWAY_GROUP in host.groups:
        packages += ["python3", "python3-venv"]
        folders += [f"{home.gateway}/{part}" for part in ("releases", "venvs")]
    if is_engine(stack, host):
        folders += [home.ollama, home.ollama_data]
    return [
        Packages(tuple(sorted(packages))),
        User(home.user, home.home, settings.service_groups),
        Linger(home.user),
        *(Directory(path, home.user, 0o700 if path == home.config else 0o755) for path in folders),
    ]


def refusals(host: Host, seen: Seen) -> list[str]:
    """Why nothing may be changed on ``host``; empty when all is well."""
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
            "root is needed for packages, the user and linger: "
            "log in as root, or give the login user sudo and pass --sudo"
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
    return reasons


def short_of_disk(host: Host, seen: Seen, needed: dict[str, int]) -> str | None:
    """The reason when ``needed`` (bytes, by what they are for) does not fit, else None."""
    free = int(seen.fact("disk_free") or 0)
    total = sum(needed.values())
    if not total or total + DISK_RESERVE <= free:
        return None
    parts = ", ".join(f"{what} {size / MIB:,.0f} MiB" for what, size in needed.items())
    return (
        f"{host.settings.service_home} has {free / MIB:,.0f} MiB free, but "
        f"{(total + DISK_RESERVE) / MIB:,.0f} MiB are needed ({parts}, and "
        f"{DISK_RESERVE / MIB:,.0f} MiB are kept free): make room or set service_home to a larger "
        "filesystem"
    )
