"""The way of a host to the internet: the proxy, what is asked without it, the authorities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

LOCAL = ("localhost", "127.0.0.1", "::1")
# Debian's and Ubuntu's list of authorities (package ca-certificates).
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Proxy:
    """The proxy of a host.

    + address: as in ``http://proxy.example.com:3128``; never with a login
    + login: name of the secret with its login, as in an address; None: it asks for none
    + fleet: names and addresses of the fleet's hosts
    + declared: the names, addresses and ranges of the setting ``no_proxy``
    """

    address: str
    login: str | None
    fleet: tuple[str, ...]
    declared: tuple[str, ...]

    @property
    def exempt(self) -> tuple[str, ...]:
        """Everything that is asked without it, as NO_PROXY lists it."""
        return tuple(dict.fromkeys((*LOCAL, *self.fleet, *self.declared)))

    def carries(self, url: str) -> bool:
        """Whether a provider at ``url`` is asked through the proxy.

        Not by http://, as the proxy could read the prompts; and not where the address is private or
        the name has no dot, as such hosts are no further away than the proxy.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if parts.scheme != "https" or any(_matches(host, entry) for entry in self.exempt):
            return False
        try:
            return ip_address(host).is_global
        except ValueError:
            return "." in host

    def with_login(self, secrets: Mapping[str, str]) -> str:
        """Its address with the login, which is a secret."""
        login = secrets.get(self.login) if self.login else None
        return self.address.replace("://", f"://{login}@") if login else self.address


def _matches(host: str, entry: str) -> bool:
    """Whether ``host`` is an exemption's name or address, a name below it, or in its range."""
    try:
        return ip_address(host) in ip_network(entry)
    except ValueError:
        return host == entry.lower() or host.endswith(f".{entry.lower()}")


@dataclass(frozen=True)
class Downloads:
    """How programs that download to a host find their way: curl, apt, pip and uv.

    + proxy: the host's, or None
    + has_authority: whether ``ca_file`` declares an authority
    """

    proxy: Proxy | None
    has_authority: bool

    def variables(self, secrets: Mapping[str, str]) -> dict[str, str]:
        """The variables of their environment; they hold the login of the proxy, if it asks for one.

        + secrets: values by name

        curl reads http_proxy in small letters alone (curl(1)), and so does apt (methods/http.cc).
        pip, requests and uv bring authorities of their own unless they are told of others.
        """
        found: dict[str, str] = {}
        if self.proxy:
            for name in ("http_proxy", "https_proxy"):
                found[name] = found[name.upper()] = self.proxy.with_login(secrets)
            found["no_proxy"] = found["NO_PROXY"] = ",".join(self.proxy.exempt)
        if self.has_authority:
            names = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
            found |= dict.fromkeys(names, AUTHORITIES)
        return found
