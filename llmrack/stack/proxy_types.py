"""Types of the settings about a proxy."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

_EXAMPLE = "http://proxy.example.com:3128"
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?"
_NAME = re.compile(rf"({_LABEL}\.)*{_LABEL}")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _proxy_address(value: str) -> str:
    """A proxy's address as all programs read it. Raises ValueError, which never repeats the value.

    Programs differ in the port that they take without one (curl 1080, others 80), and not all of
    apt, curl, uv, Go, httpx and aiohttp speak TLS or SOCKS to a proxy.
    """
    if "@" in value:
        raise ValueError(
            "has a login in it, which others can read in this file; run `llmrack secrets set "
            "PROXY_LOGIN` and type what stands between // and @, leave it out, and set "
            'proxy_login = "PROXY_LOGIN"'
        )
    scheme, separator, _ = value.partition("://")
    if not separator:
        raise ValueError(f"has no scheme; write it as in {_EXAMPLE}")
    if scheme.lower().startswith("socks"):
        raise ValueError("is a SOCKS proxy, which apt and uv do not use; name an HTTP proxy")
    if scheme.lower() != "http":
        raise ValueError(
            "does not begin with http://; name the proxy's HTTP port (what is asked by https:// "
            "stays encrypted on its way through the proxy)"
        )
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(f"is no address of a proxy; write it as in {_EXAMPLE}") from None
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("has a path; leave out what follows the port")
    if not is_plain(host):
        raise ValueError(f"is no address of a proxy; write it as in {_EXAMPLE}")
    if not port:
        raise ValueError(f"has no port; write it as in {_EXAMPLE}")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _exemption(value: str) -> str:
    """A name, an address or a range as all programs read it. Raises ValueError.

    A name stands for all names below it, too: for some programs only without a dot before it.
    """
    text = value.strip().removeprefix("*.").lstrip(".").lower()
    if _is_address(text.strip("[]")):
        return text.strip("[]")
    if "/" in text:
        try:
            return str(ip_network(text))
        except ValueError:
            way_out = "write it as in 10.0.0.0/8, without bits beyond the range, and no scheme"
            raise ValueError(f"has an entry that is no range of addresses; {way_out}") from None
    if ":" in text:
        raise ValueError("has an entry with a port or a scheme; name the host alone")
    if not _NAME.fullmatch(text):
        raise ValueError("has an entry that is no name, address or range; name hosts one by one")
    return text


def is_plain(name: str) -> bool:
    """Whether ``name`` is a name or an address of the network."""
    return _is_address(name) or _NAME.fullmatch(name) is not None


def _listed(value: object) -> object:
    """A list of the entries in a text with commas, as NO_PROXY has them."""
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


ProxyAddress = Annotated[str, AfterValidator(_proxy_address)]
Exemptions = Annotated[
    tuple[Annotated[str, AfterValidator(_exemption)], ...], BeforeValidator(_listed)
]
