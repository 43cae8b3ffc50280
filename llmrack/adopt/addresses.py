"""Addresses as the gateway reaches them: it is a service of the host, and in no container."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from llmrack.adopt.compose import Compose

# Names by which containers reach their host (Docker, Podman).
_HOST = ("host.docker.internal", "gateway.docker.internal", "host.containers.internal")
_LOOPBACK = "127.0.0.1"
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}

# An address, a remark on it, and a way out if it cannot be reached before something is changed.
Translation = tuple[str, str, str]


def reached(url: str, compose: Compose) -> Translation:
    """An address as the gateway reaches it, with what became of it and what has to be done."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url, "", ""
    if host in _HOST:
        return _at(parts, _LOOPBACK, port), f"{host} is the host of a container", ""
    name, inner, remark, way_out = reached_host(host, port or _PORTS.get(parts.scheme, 0), compose)
    if remark:
        return _at(parts, name, inner), remark, way_out
    return url, "", ""


def reached_host(host: str, port: int, compose: Compose) -> tuple[str, int, str, str]:
    """A host and a port as the gateway reaches them, with a remark and a way out; see reached."""
    if host in _HOST:
        return _LOOPBACK, port, f"{host} is the host of a container", ""
    if host not in compose.containers:
        return host, port, "", ""
    published = compose.containers[host].get(port)
    if published:
        address = _LOOPBACK if published.address in ("0.0.0.0", "::") else published.address  # noqa: S104
        return address, published.port, f"the published port of {host}", ""
    way_out = f'add to {host} in {compose.file}: ports: ["{_LOOPBACK}:{port}:{port}"]'
    return _LOOPBACK, port, f"the port of {host}, which it must publish", way_out


def has_login(url: str) -> bool:
    """Whether an address has a user's name or a password in it."""
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return False


def shown(url: str) -> str:
    """An address for a message: without a login and a query, which may have keys in them."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def is_name_of_a_container(url: str) -> bool:
    """Whether the host of an address looks like the name of a container."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return bool(host) and host != "localhost" and "." not in host and ":" not in host


def label(url: str) -> str:
    """A short name for the server at an address; empty for a host without a name."""
    try:
        host = (urlsplit(url).hostname or "").removeprefix("www.").removeprefix("api.")
    except ValueError:
        return ""
    if not host or host == "localhost" or host in _HOST or _is_number(host):
        return ""
    return host.split(".")[0].replace("_", "-")


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _at(parts: SplitResult, host: str, port: int | None) -> str:
    login = parts.netloc.rpartition("@")[0]
    netloc = f"{host}:{port}" if port else host
    return parts._replace(netloc=f"{login}@{netloc}" if login else netloc).geturl()
