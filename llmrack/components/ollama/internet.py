"""How the instances of a host reach the internet: for pulls, and for Ollama's cloud."""

from __future__ import annotations

import hashlib

from llmrack.components.render import verbatim
from llmrack.resources.absent import PathsGone
from llmrack.resources.change import Resource
from llmrack.resources.files import File
from llmrack.stack.fleet import Host
from llmrack.stack.proxy import LOCAL


def variables(host: Host) -> dict[str, str]:
    """The variables that name the proxy, without its login.

    HTTP_PROXY is not set: it may cut off Ollama's own client (docs/faq.mdx). Ollama asks no host of
    the fleet, so the fleet is not named: a new host would restart all instances.
    """
    if host.proxy is None:
        return {}
    exempt = ",".join((*LOCAL, *host.proxy.declared))
    return {"HTTPS_PROXY": host.proxy.address, "NO_PROXY": exempt}


def login_files(host: Host) -> tuple[str, ...]:
    """The file that has the proxy's address with its login, if it asks for one."""
    return (host.home.proxy_login,) if host.proxy and host.proxy.login else ()


def programs(host: Host) -> list[File]:
    """The program by which a server runs that has the login; none for others."""
    if not login_files(host):
        return []
    home = host.home
    return [File(f"{home.config}/serve-masked", verbatim("ollama/serve-masked.sh"), home.user)]


def masked(host: Host) -> str:
    """What stands before the server in its unit's ExecStart: that program, or nothing."""
    return "".join(f"/bin/sh {file.path} %t/llmrack/%i.out " for file in programs(host))


def depends(host: Host) -> tuple[str, ...]:
    """The files that a server with the login is started with, beside those of all servers."""
    return (*login_files(host), *(file.path for file in programs(host)))


def names(host: Host) -> tuple[str, ...]:
    """The names of the resources that are these files."""
    files = (file.name for file in programs(host))
    return (*(f"EnvironmentFile {path}" for path in login_files(host)), *files)


def login_gone(host: Host, serves: bool = True) -> list[Resource]:
    """The removal of that file where nothing needs it, after no unit has it any more.

    + serves: whether the host has an instance
    """
    if serves and login_files(host):
        return []
    files = (host.home.proxy_login, f"{host.home.config}/serve-masked")
    return [PathsGone("Login of a proxy that nobody declares", files, host.home.user)]


def authority(host: Host) -> str:
    """The SHA-256 of ``ca_file``; empty if there is none. A server reads it once, at its start."""
    return hashlib.sha256(host.authority.encode()).hexdigest() if host.authority else ""
