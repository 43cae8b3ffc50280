"""The containers of a host, as Docker and Podman describe them.

It is sent to hosts: Python 3.10 and its standard library. Neither is started for it: a Docker that
sleeps behind its socket would be, and a Podman without containers would make its folders.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

DOCKER_RUNS = Path("/run/docker.pid")
PODMAN_HAS_RUN = Path("/var/lib/containers/storage")
Run = Callable[[list[str]], str]


def containers(run: Run, users: Iterable[tuple[str, int]]) -> Iterator[dict[str, Any]]:
    """All containers, also stopped ones.

    + run: what a command prints; empty where it fails
    + users: names and numbers of those who have containers of their own that run
    """
    if DOCKER_RUNS.exists():
        yield from inspected(run, "docker", "", [])
    if PODMAN_HAS_RUN.is_dir():
        yield from inspected(run, "podman", "", [])
    for user, number in users:
        way = ["runuser", "-u", user, "--", "env", f"XDG_RUNTIME_DIR=/run/user/{number}"]
        yield from inspected(run, "podman", user, way)


def inspected(run: Run, runtime: str, owner: str, way: list[str]) -> Iterator[dict[str, Any]]:
    """The containers of one user.

    + owner: empty for root
    + way: what comes before the command
    """
    names = run([*way, runtime, "ps", "-aq", "--no-trunc"]).split()
    if not names:
        return
    try:
        listed = json.loads(run([*way, runtime, "container", "inspect", *names]) or "[]")
    except ValueError:
        return
    for entry in listed:
        yield {"runtime": runtime, "owner": owner, **described(entry)}


def described(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What matters of a container, of the two forms of ``inspect``."""
    config, host = entry.get("Config") or {}, entry.get("HostConfig") or {}
    network, state = entry.get("NetworkSettings") or {}, entry.get("State") or {}
    labels = config.get("Labels") or {}
    variables = (str(line).partition("=") for line in config.get("Env") or ())
    joined = [network, *(network.get("Networks") or {}).values()]
    return {
        "id": entry.get("Id", ""),
        "name": str(entry.get("Name", "")).lstrip("/"),
        "image": str(entry.get("ImageName") or config.get("Image") or ""),
        "pid": state.get("Pid") or 0,
        "runs": bool(state.get("Running")),
        "restarts": (host.get("RestartPolicy") or {}).get("Name") or "",
        # Quadlet's and `podman generate systemd`'s.
        "unit": labels.get("PODMAN_SYSTEMD_UNIT", ""),
        "compose": labels.get("com.docker.compose.project.config_files", ""),
        "arguments": [str(word) for word in config.get("Cmd") or ()],
        "environment": {name: value for name, _, value in variables},
        "mounts": [
            (str(mount.get("Destination", "")), str(mount.get("Source", "")))
            for mount in entry.get("Mounts") or ()
        ],
        "published": published(host.get("PortBindings") or network.get("Ports") or {}),
        "is_on_host_network": host.get("NetworkMode") == "host",
        "addresses": sorted({net["IPAddress"] for net in joined if net.get("IPAddress")}),
    }


def published(ports: Mapping[str, Any]) -> list[tuple[int, str, int]]:
    """Ports of the container, with the host's address (empty: all) and port."""
    return [
        (int(inner.partition("/")[0]), str(outer.get("HostIp") or ""), int(outer["HostPort"]))
        for inner, outers in sorted(ports.items())
        if inner.endswith("/tcp")
        for outer in outers or ()
        if str(outer.get("HostPort", "")).isdigit()
    ]


def on_host(path: str, mounts: Iterable[tuple[str, str]]) -> str:
    """Where a path of a container is on the host; empty if it is in the container alone."""
    for inner, outer in sorted(mounts, key=lambda pair: -len(pair[0])):
        if outer and (path == inner or path.startswith(inner.rstrip("/") + "/")):
            return outer.rstrip("/") + path[len(inner.rstrip("/")) :]
    return ""
