"""The program that looks at a host for ``llmrack adopt``; Python 3.10's own library is all it has.

It is sent to ``python3 -I - QUESTION`` on the host, as root, and prints one line of JSON. Nothing
is changed: no model is loaded, no unit and no container started. Of an environment it tells the
values of the variables that the question names, without a login in them; of others their names.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from llmrack.shipped.host.cards import output
from llmrack.shipped.host.containers import containers, on_host
from llmrack.shipped.host.model_files import model_files, place_of
from llmrack.shipped.host.processes import (
    Process,
    callers,
    environment,
    holders,
    in_containers_of,
    listening,
    processes,
)
from llmrack.shipped.host.programs import OLLAMA, config_of, program_of, program_of_image
from llmrack.shipped.host.units import about_unit

OLLAMA_UNIT = "ollama.service"
OLLAMA_PORT = 11434
# Where a folder for the models could be made.
STATE = "/var/lib"
# Docker's and Podman's programs for published ports.
HELPERS = ("docker-proxy", "conmon", "rootlessport", "pasta", "pasta.avx2", "slirp4netns")
# Seconds for an answer of a server.
DEADLINE = 5
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def look(question: dict[str, Any]) -> dict[str, Any]:
    """The servers of models on a host, and those in front of them.

    + question: ``variables``, the names of those whose values are told
    """
    running = [process for process in processes() if not process.unit.startswith("llmrack-")]
    users = {
        (process.owner, pwd.getpwnam(process.owner).pw_uid)
        for process in running
        if process.container and process.owner
    }
    boxed = list(containers(output, sorted(users)))
    running = in_containers_of(running, {box["pid"]: box["id"] for box in boxed if box["pid"]})
    servers = [*in_units(running), *in_containers(boxed, running), *alone(running)]
    known = set(question["variables"])
    found = []
    for server in servers:
        if server["program"] == OLLAMA:
            server |= ollama(server, boxed)
        values = server.pop("values")
        server["environment"] = {n: without_login(values[n]) for n in sorted(known & values.keys())}
        server["names"] = sorted(values.keys() - known)
        found.append(server)
    return {"servers": found}


def leaders(running: list[Process]) -> Iterator[tuple[str, Process]]:
    """The processes of servers with their programs, without workers of the same program."""
    programs = {process.pid: program_of(process.arguments) for process in running}
    for process in running:
        program = programs[process.pid]
        # Ollama starts a llama-server for each model.
        if program and programs.get(process.parent) not in (program, OLLAMA):
            yield program, process


def server_of(program: str, process: Process | None = None) -> dict[str, Any]:
    """What is told of every server, of a process that runs or of none."""
    return {
        "program": program,
        "pid": process.pid if process else 0,
        "user": process.user if process else "",
        "unit": "",
        "owner": process.owner if process else "",
        "active": "active" if process else "inactive",
        "enabled": "",
        "files": [],
        "container": None,
        "config": config_of(program, process.arguments) if process else "",
        "listens": listening(process.pid) if process else [],
        "values": {},
    }


def in_units(running: list[Process]) -> Iterator[dict[str, Any]]:
    """The servers that units of systemd start; Ollama's also while it is stopped."""
    units = {
        (process.unit, process.owner): (program, process)
        for program, process in reversed(list(leaders(running)))
        if process.unit and not process.container
    }
    for (unit, owner), (program, process) in units.items():
        server = server_of(program, process) | {"unit": unit}
        config = server["config"]
        if config and not config.startswith("/"):
            server["config"] = os.path.join(folder_of(process), config)  # noqa: PTH118
        if owner:
            yield server | {"values": environment(process.pid)}
        else:
            about = about_unit(output, unit)
            del about["is_loaded"]
            yield server | about
    if (OLLAMA_UNIT, "") not in units:
        about = about_unit(output, OLLAMA_UNIT)
        if about.pop("is_loaded"):
            yield server_of(OLLAMA) | {"unit": OLLAMA_UNIT} | about


def in_containers(boxed: list[dict[str, Any]], running: list[Process]) -> Iterator[dict[str, Any]]:
    """The servers in containers: those that run, and those whose image has a known name."""
    inside: dict[str, tuple[str, Process]] = {}
    for program, process in leaders(running):
        if process.container:
            inside.setdefault(process.container, (program, process))
    for box in boxed:
        known = inside.pop(box["id"], None)
        program = known[0] if known else program_of_image(box["image"])
        if not program:
            continue
        server = server_of(program, known[1] if known else None)
        config = config_of(program, known[1].arguments if known else box["arguments"])
        yield server | {
            "owner": box["owner"],
            "active": "active" if box["runs"] else "inactive",
            "container": {
                key: box[key]
                for key in ("runtime", "name", "image", "restarts", "unit", "compose", "published")
            }
            | {"is_on_host_network": box["is_on_host_network"], "config": config},
            "config": on_host(config, box["mounts"]) if config.startswith("/") else "",
            "values": box["environment"],
            "mounts": box["mounts"],
            "addresses": box["addresses"],
        }
    for identifier, (program, process) in inside.items():
        # Of a runtime that could not be asked.
        yield server_of(program, process) | {"container": {"runtime": "", "name": identifier[:12]}}


def alone(running: list[Process]) -> Iterator[dict[str, Any]]:
    """The servers that somebody has started by hand."""
    for program, process in leaders(running):
        if not process.unit and not process.container:
            server = server_of(program, process) | {"values": environment(process.pid)}
            config = server["config"]
            if config:
                server["config"] = os.path.join(folder_of(process), config)  # noqa: PTH118
            yield server


def folder_of(process: Process) -> str:
    """The folder in which a process runs."""
    try:
        return os.readlink(f"/proc/{process.pid}/cwd")  # noqa: PTH115
    except OSError:
        return "/"


def ollama(server: dict[str, Any], boxed: list[dict[str, Any]]) -> dict[str, Any]:
    """Home, models, version and callers of one Ollama."""
    values, box = server["values"], server["container"]
    try:
        home = pwd.getpwnam(server["user"]).pw_dir
    except KeyError:
        home = ""
    started_with = environment(server["pid"]) if server["pid"] else {}
    inner_home = values.get("HOME") or started_with.get("HOME") or ("/root" if box else home)
    inner = values.get("OLLAMA_MODELS") or f"{inner_home}/.ollama/models"
    folder = on_host(inner, server.pop("mounts", ())) if box else inner
    # A link would be there instead of the folder that a deploy expects.
    folder = os.path.realpath(folder) if folder else ""
    files = model_files(folder) if folder else {}
    port = next((port for _, port in server["listens"]), OLLAMA_PORT)
    addresses = server.pop("addresses", ()) or [address for address, _ in server["listens"]]
    url = address_of(next(iter(addresses), "127.0.0.1"), port)
    version, listed = asked(url) if server["active"] == "active" else ("", {})
    return {
        "home": home,
        "folder": folder,
        "inner_folder": inner,
        "place": place_of(folder, STATE) if folder else None,
        "version": version,
        "models": files,
        "listed": listed,
        "callers": told_callers(server["pid"], port, boxed) if server["pid"] else [],
    }


def address_of(address: str, port: int) -> str:
    """The URL at which this host reaches a server that is bound to an address."""
    own = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)  # noqa: S104
    return f"http://[{own}]:{port}" if ":" in own and own[0] != "[" else f"http://{own}:{port}"


def asked(url: str) -> tuple[str, dict[str, Any]]:
    """Version and models of an Ollama, as far as it answers.

    Each model has ``size`` (bytes), ``capabilities`` and ``is_remote``.
    """
    version, models = "", {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        version = str(answer(f"{url}/api/version")["version"])
        for model in answer(f"{url}/api/tags")["models"]:
            shown = answer(f"{url}/api/show", {"model": model["name"]})
            models[model["name"]] = {
                "size": model.get("size"),
                "capabilities": shown.get("capabilities"),
                "is_remote": bool(model.get("remote_host")),
            }
    return version, models


def answer(url: str, body: object = None) -> Any:  # noqa: ANN401  (JSON)
    """The JSON at ``url``; a POST where there is a body. Raises OSError and ValueError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data)  # noqa: S310  (addresses of this host)
    try:
        with OPENER.open(request, timeout=DEADLINE) as response:
            return json.load(response)
    except HTTPException as error:
        raise ValueError from error


def told_callers(pid: int, port: int, boxed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Who is connected to a port of a process: by address, and by process if it is local."""
    of_pid = {process.pid: process for process in processes()}
    names = {address: box["name"] for box in boxed for address in box["addresses"]}
    found = []
    for (address, holder), count in sorted(counted_callers(pid, port, of_pid).items()):
        process = of_pid.get(holder)
        found.append(
            {
                "address": address,
                "connections": count,
                "pid": holder,
                "program": name_of(process) if process else "",
                "unit": process.unit if process else "",
                "user": process.user if process else "",
                "container": names.get(address, ""),
            }
        )
    return found


def counted_callers(pid: int, port: int, of_pid: dict[int, Process]) -> Counter[tuple[str, int]]:
    """Connections to a port of a process, by address and local process (0: none).

    Of a helper that passes on what comes to a published port, its own callers count.
    """
    ends_of_callers = callers(pid, port)
    local = holders(set(ends_of_callers), port)
    counted: Counter[tuple[str, int]] = Counter()
    helpers = set()
    for end in ends_of_callers:
        holder = local.get(end, 0)
        if holder in of_pid and name_of(of_pid[holder]) in HELPERS:
            helpers.add(holder)
        # Not this program's own question, and no connection of a server to itself.
        elif holder not in (os.getpid(), pid):
            counted[end[0], holder] += 1
    for helper in helpers:
        for _, front in listening(helper):
            counted += counted_callers(helper, front, of_pid)
    return counted


def name_of(process: Process) -> str:
    """The name of a process's program."""
    return os.path.basename(process.arguments[0])  # noqa: PTH119


def without_login(value: str) -> str:
    """A value; of an address without its user and password, but with the @ after them."""
    return re.sub(r"(?<=://)[^/@\s]*@", "@", value)


if __name__ == "__main__":
    print(json.dumps(look(json.loads(sys.argv[1]))))
