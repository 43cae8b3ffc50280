"""Where an Ollama that runs listens, as settings, and what that means to those who ask it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from llmrack.adopt.host.seen import Caller, Server
from llmrack.adopt.notes import Notes
from llmrack.stack.fleet import bracketed
from llmrack.stack.settings import is_loopback

LOOPBACK, EVERYWHERE, PORT = "127.0.0.1", "0.0.0.0", 11434  # noqa: S104
# Below it a port needs root.
_UNPRIVILEGED = 1024


def settings_of(server: Server, notes: Notes) -> dict[str, Any]:
    """``ollama_bind`` and ``ollama_port``, where they are not the usual ones."""
    box = server.container
    if box and not box.is_on_host_network:
        bind, port = _published(server, notes)
    else:
        bind, port = _declared(server, notes)
    settings: dict[str, Any] = {}
    if port < _UNPRIVILEGED:
        cause = f"port {port} needs root, and llmrack's services have none"
        notes.lost((server.label, "OLLAMA_HOST"), cause, "tell the clients of another port")
        port = PORT
    if not is_loopback(bind):
        settings["ollama_bind"] = bind
    if port != PORT:
        settings["ollama_port"] = port
    _note_callers(server, bind, notes)
    return settings


def _declared(server: Server, notes: Notes) -> tuple[str, int]:
    """What OLLAMA_HOST says."""
    given = server.environment.get("OLLAMA_HOST")
    if given is None:
        return LOOPBACK, PORT
    host, port = parsed(given)
    path = (server.label, "OLLAMA_HOST")
    try:
        ip_address(host)
    except ValueError:
        notes.lost(path, f"{host} is a name", "set ollama_bind to its address")
        return LOOPBACK, port
    notes.taken(path, f"ollama_bind {host!r}, ollama_port {port}")
    return host, port


def _published(server: Server, notes: Notes) -> tuple[str, int]:
    """Where the host publishes the container's port."""
    box = server.container
    given = server.environment.get("OLLAMA_HOST", "")
    inner = parsed(given)[1]
    port = next((port for port in box.published if port.inner == inner), None) if box else None
    if "OLLAMA_HOST" in server.environment:
        cause = "is the address in the container; its published port counts"
        notes.left_out((server.label, "OLLAMA_HOST"), cause)
    path = (server.label, "ports")
    if port is None:
        cause = "no port is published, so only containers reach it, and they reach no loopback"
        notes.lost(path, cause, "let them ask the gateway, bound to an address that they reach")
        return LOOPBACK, PORT
    bind = port.address or EVERYWHERE
    notes.taken(path, f"ollama_bind {bind!r}, ollama_port {port.port}")
    return bind, port.port


def parsed(text: str) -> tuple[str, int]:
    """Address and port of OLLAMA_HOST, as Ollama reads it (envconfig/config.go, Host)."""
    scheme, separator, rest = text.strip().strip("\"'").rpartition("://")
    usual = {"http": 80, "https": 443}.get(scheme, PORT) if separator else PORT
    rest = rest.partition("/")[0]
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*):([^:]*)", rest)
    host, port = (match[1], match[2]) if match else (rest, "")
    number = int(port) if port.isascii() and port.isdigit() and int(port) <= 65_535 else usual
    host = host.strip("[]")
    if not host:
        # A port alone stands for all addresses, nothing at all for loopback.
        host = EVERYWHERE if match else LOOPBACK
    return (LOOPBACK if host == "localhost" else host), number or usual


def _note_callers(server: Server, bind: str, notes: Notes) -> None:
    """Note who can no longer ask it directly."""
    if is_loopback(bind):
        return
    path = (server.label, "callers")
    where = f"{bracketed(bind)} is open to the network, and ollama_guard lets only gateways in"
    way_out = "let them ask the gateway, or set ollama_guard = False"
    if names := _elsewhere(server.callers):
        notes.lost(path, f"{where}: not {', '.join(names)}", way_out)
    else:
        notes.left_out(path, f"{where}; whoever else asks it directly is cut off", way_out)


def _elsewhere(callers: Sequence[Caller]) -> list[str]:
    """Who is not a process of the host, by name or address."""
    outside = [caller for caller in callers if not (caller.pid or caller.address == LOOPBACK)]
    return sorted({caller.container or caller.address for caller in outside})
