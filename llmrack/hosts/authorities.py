"""How the certificates of providers are verified: by what a gateway's host trusts."""

from __future__ import annotations

import ssl

from pyinfra.api import StringCommand
from pyinfra.api.host import Host as PyinfraHost

from llmrack.hosts.commands import run
from llmrack.stack.providers import Provider
from llmrack.stack.proxy import AUTHORITIES


def needs_authorities(provider: Provider) -> bool:
    """Whether the provider's certificate is verified by the host's own list of authorities."""
    remote = provider.remote
    return (
        remote is not None
        and remote.base.startswith("https://")
        and remote.tls_verify
        and not remote.tls_ca
    )


def read_authorities(host: PyinfraHost, company: str | None) -> str | None:
    """The authorities that the host trusts, in PEM form; None if it is still to get its list.

    + company: those of ``ca_file``, which the host does not have before its first deploy
    """
    answer = run(host, StringCommand("cat", AUTHORITIES), root=False)
    # Names of authorities stand between the certificates, in any alphabet.
    lines = [line for line in answer.lines if line.isascii()]
    return "\n".join([*lines, company or ""]) if answer.succeeded and lines else None


def tls_of(provider: Provider, authorities: str | None) -> ssl.SSLContext | None:
    """How the provider's certificate is verified; None: by what this machine trusts.

    + authorities: those that the host trusts
    """
    remote = provider.remote
    if remote is None or not remote.base.startswith("https://"):
        return None
    if not remote.tls_verify:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    trusted = remote.tls_ca or authorities
    return ssl.create_default_context(cadata=trusted) if trusted else None
