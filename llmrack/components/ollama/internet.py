"""How the instances of a host reach the internet: for pulls, and for Ollama's cloud."""

from __future__ import annotations

import hashlib

from llmrack.resources.absent import PathsGone
from llmrack.resources.change import Resource
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


def logins(host: Host) -> tuple[str, ...]:
    """The names of the resources that are these files."""
    return tuple(f"EnvironmentFile {path}" for path in login_files(host))


def login_gone(host: Host) -> list[Resource]:
    """The removal of that file where none is declared, after no unit needs it any more."""
    if login_files(host):
        return []
    login = (host.home.proxy_login,)
    return [PathsGone("Login of a proxy that nobody declares", login, host.home.user)]


def authority(host: Host) -> str:
    """The SHA-256 of ``ca_file``; empty if there is none. A server reads it once, at its start."""
    return hashlib.sha256(host.authority.encode()).hexdigest() if host.authority else ""
