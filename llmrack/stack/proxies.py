"""The proxies of a fleet's hosts, as their settings declare them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.proxy import Proxy
from llmrack.stack.proxy_types import is_plain
from llmrack.stack.schema import Stack


def with_proxies(fleet: Fleet) -> Fleet:
    """``fleet`` with the proxy of each host, which the whole fleet is exempt from."""
    names = tuple(dict.fromkeys(name for host in fleet.hosts for name in _names(host)))

    def filled(host: Host) -> Host:
        settings = host.settings
        if not settings.proxy:
            return host
        proxy = Proxy(settings.proxy, settings.proxy_login, names, settings.no_proxy)
        return replace(host, proxy=proxy)

    return Fleet(tuple(filled(host) for host in fleet.hosts))


def _names(host: Host) -> Iterator[str]:
    for name in (host.name, host.address):
        # pyinfra's names of connectors, as in @docker/box, are no names of the network.
        if is_plain(name):
            yield name.lower()


def with_direct_providers(stack: Stack, proxy: Proxy) -> Proxy:
    """The proxy for a gateway, which asks some providers without it (``Proxy.carries``).

    Each of their names stands among the exemptions, so that every library in the gateway agrees:
    some of them know no ranges.
    """
    direct = [
        (urlsplit(provider.remote.base).hostname or "").lower()
        for provider in stack.providers.values()
        if provider.remote and provider.remote.base and not proxy.carries(provider.remote.base)
    ]
    return replace(proxy, declared=tuple(dict.fromkeys((*proxy.declared, *direct))))


def logins(fleet: Fleet) -> list[str]:
    """The names of the secrets that are logins of proxies, sorted."""
    return sorted({host.proxy.login for host in fleet.hosts if host.proxy and host.proxy.login})
