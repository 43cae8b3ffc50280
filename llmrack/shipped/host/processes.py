"""The processes of a host, with their units, containers and TCP sockets, as /proc shows them.

It is sent to hosts: Python 3.10 and its standard library. Nothing is started for it. Root reads
what belongs to others; without root their sockets stay unknown.
"""

from __future__ import annotations

import pwd
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
ESTABLISHED, LISTENS = "01", "0A"
# docker-ID.scope, /docker/ID, libpod-ID.scope.
_CONTAINER = re.compile(r"(?:docker|libpod)[-/]([0-9a-f]{64})")
_MANAGER = re.compile(r"user@([0-9]+)\.service")


class Process(NamedTuple):
    """A process.

    + unit: its service of systemd; empty without one
    + owner: the user whose manager has the unit; empty for the system's
    + container: the whole id of its container; empty outside of one
    """

    pid: int
    parent: int
    arguments: list[str]
    user: str
    unit: str
    owner: str
    container: str


class Connection(NamedTuple):
    """A TCP socket, with the far end's address and port; both empty and 0 where it listens."""

    address: str
    port: int
    far_address: str
    far_port: int
    state: str
    inode: str


def processes() -> Iterator[Process]:
    """All processes with arguments; those that end meanwhile are left out."""
    for folder in sorted(PROC.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            arguments = folder.joinpath("cmdline").read_bytes().decode("utf-8", "replace")
            status = folder.joinpath("stat").read_text(encoding="utf-8", errors="replace")
            groups = folder.joinpath("cgroup").read_text(encoding="utf-8")
            user = user_of(folder.stat().st_uid)
        except OSError:
            continue
        if arguments:
            # The name in brackets may hold anything; state and parent follow it.
            parent = int(status.rpartition(")")[2].split()[1])
            words = arguments.rstrip("\0").split("\0")
            yield Process(int(folder.name), parent, words, user, *placed(groups))


def placed(groups: str) -> tuple[str, str, str]:
    """Unit, owner of the unit, and container, by the lines of /proc/PID/cgroup."""
    lines = [line.split(":", 2) for line in groups.splitlines()]
    paths = [line[2] for line in lines if line[1] in ("", "name=systemd")]
    path = max(paths, key=len, default="")
    container = _CONTAINER.search(path)
    services = [part for part in path.split("/") if part.endswith(".service")]
    manager = next((m for part in services if (m := _MANAGER.fullmatch(part))), None)
    unit = services[-1] if services and not _MANAGER.fullmatch(services[-1]) else ""
    owner = user_of(int(manager[1])) if manager else ""
    return unit, owner, container[1] if container else ""


def in_containers_of(running: list[Process], first: dict[int, str]) -> list[Process]:
    """The processes, with containers that no cgroup tells (podman run --cgroups=disabled).

    + first: ids of containers by their first processes
    """
    parents = {process.pid: process.parent for process in running}
    placed_processes = []
    for process in running:
        pid = process.pid
        while pid not in first and pid in parents:
            pid = parents[pid]
        container = process.container or first.get(pid, "")
        placed_processes.append(process._replace(container=container))
    return placed_processes


def user_of(number: int) -> str:
    """The name of a user; its number where it has none, as users inside of containers."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def environment(pid: int) -> dict[str, str]:
    """The environment that a process was started with; empty where it cannot be read."""
    try:
        text = PROC.joinpath(str(pid), "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    entries = (entry.partition("=") for entry in text.split("\0"))
    return {name: value for name, _, value in entries if name}


def connections(pid: int | str) -> Iterator[Connection]:
    """The TCP sockets of the network that a process is in."""
    for name in ("tcp", "tcp6"):
        try:
            lines = PROC.joinpath(str(pid), "net", name).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            fields = line.split()
            yield Connection(*ends(fields[1]), *ends(fields[2]), fields[3], fields[9])


def ends(text: str) -> tuple[str, int]:
    """Address and port as the kernel writes them: words of 32 bits, each in the host's order."""
    number, _, port = text.partition(":")
    packed = b"".join(
        int(number[place : place + 8], 16).to_bytes(4, "little")
        for place in range(0, len(number), 8)
    )
    if len(packed) == 4:
        return str(IPv4Address(packed)), int(port, 16)
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address), int(port, 16)


def sockets_of(pid: int) -> set[str]:
    """The inodes of the sockets that a process has open."""
    inodes = set()
    try:
        for entry in PROC.joinpath(str(pid), "fd").iterdir():
            try:
                target = str(entry.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        pass
    return inodes


def listening(pid: int) -> list[tuple[str, int]]:
    """Where a process listens."""
    inodes = sockets_of(pid)
    return sorted(
        {
            (connection.address, connection.port)
            for connection in connections(pid)
            if connection.state == LISTENS and connection.inode in inodes
        }
    )


def callers(pid: int, port: int) -> list[tuple[str, int]]:
    """The far ends of the connections to a port of a process."""
    inodes = sockets_of(pid)
    return [
        (connection.far_address, connection.far_port)
        for connection in connections(pid)
        if connection.state == ESTABLISHED
        and connection.port == port
        and connection.inode in inodes
    ]


def holders(wanted: set[tuple[str, int]], port: int) -> dict[tuple[str, int], int]:
    """By address and port, the process of this host that has such a connection to ``port``."""
    inodes = {
        connection.inode: (connection.address, connection.port)
        for connection in connections("self")
        if connection.far_port == port and (connection.address, connection.port) in wanted
    }
    if not inodes:
        return {}
    return {
        inodes[inode]: int(folder.name)
        for folder in PROC.glob("[0-9]*")
        for inode in sockets_of(int(folder.name)) & inodes.keys()
    }
