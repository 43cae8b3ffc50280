"""Exact names of models, checked against the providers' own lists before anything is changed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

import gevent
from pyinfra import logger
from pyinfra.api import StringCommand

from llmrack.problems import DeclarationError, Problem
from llmrack.remote.guard import Refusal
from llmrack.remote.progress import say
from llmrack.secrets.value import Secret
from llmrack.stack.fleet import GATEWAY_GROUP
from llmrack.stack.model_lists import list_url, listed, not_listed, with_lists
from llmrack.stack.providers import RemoteProvider

if TYPE_CHECKING:
    from llmrack.remote.rack import Rack

# Seconds a list may take, all in all.
DEADLINE = 15
# Debian's and Ubuntu's list of authorities (package ca-certificates).
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


class CouldNotAsk(Exception):
    """Why a provider gave no list."""


def insist_on_listed_models(rack: Rack) -> None:
    """Raise Refusal, which ends the run for every host, when a provider lacks a declared model.

    A gateway that is to be changed asks, through its own SSH connection: it is the one that has
    to reach the provider, and needs nothing installed for it. Who gives no list is warned of: the
    proof will show more. A run that changes no gateway asks nobody.
    """
    if GATEWAY_GROUP not in rack.host.groups or not rack.is_seen:
        return
    if not rack.changes_of("gateway"):
        return
    declared = rack.run.declared
    providers = with_lists(declared.stack)
    authorities = _authorities(rack) if any(map(_needs_authorities, providers.values())) else None
    asked = {
        name: gevent.spawn(_answer, rack, provider, _tls(provider, authorities))
        for name, provider in providers.items()
    }
    problems: list[Problem] = []
    for name, greenlet in asked.items():
        found: set[str] | CouldNotAsk = greenlet.get()
        if isinstance(found, CouldNotAsk):
            text = f"provider {name!r} gives no list of its models: {found}; names are not checked"
            say(rack, text, logger.warning)
        else:
            problems += not_listed(declared.declaration, name, found, rack.host.name)
    if problems:
        raise Refusal(
            f"models are declared that providers do not have; no host was touched\n"
            f"{DeclarationError(problems)}"
        )


def _answer(
    rack: Rack, provider: RemoteProvider, tls: ssl.SSLContext | None
) -> set[str] | CouldNotAsk:
    """The names; or why there are none, returned since gevent prints what a greenlet raises."""
    try:
        return _ask(rack, provider, tls)
    except CouldNotAsk as error:
        return error


def _ask(rack: Rack, provider: RemoteProvider, tls: ssl.SSLContext | None) -> set[str]:
    # httpx costs 0.2 s to import; a run that changes nothing does without.
    import httpx

    from llmrack.remote.tunnel import http_client

    url, secrets = list_url(provider), rack.run.declared.secrets
    try:
        with (
            gevent.Timeout(DEADLINE, CouldNotAsk(f"{url} did not answer within {DEADLINE} s")),
            http_client(rack.pyinfra_host, url, tls) as client,
        ):
            answer = client.get(url, headers=_headers(provider, secrets), timeout=DEADLINE)
            text = answer.text
    except (httpx.LocalProtocolError, UnicodeEncodeError):
        # Their text repeats the header.
        raise CouldNotAsk("its key has characters that no HTTP header can carry") from None
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise CouldNotAsk(f"{url} cannot be reached ({reason})") from None
    if answer.status_code in (401, 403):
        raise CouldNotAsk(f"{url} refuses the key ({answer.status_code}), see {provider.api_key}")
    if answer.status_code != 200:
        raise CouldNotAsk(f"{url} answers {answer.status_code}")
    try:
        names = listed(answer.json())
    except ValueError:
        names = None
    if names is None:
        raise CouldNotAsk(f"{url} answers {text[:40]!r}..., which is no list of models")
    return names


def _headers(provider: RemoteProvider, secrets: Mapping[str, Secret]) -> dict[str, str]:
    key = {"Authorization": provider.api_key} if provider.api_key else {}
    hidden = {
        name: secrets[secret].reveal() for name, secret in (provider.secret_headers | key).items()
    }
    if "Authorization" in hidden:
        hidden["Authorization"] = f"Bearer {hidden['Authorization']}"
    return provider.headers | hidden


def _needs_authorities(provider: RemoteProvider) -> bool:
    return provider.url.startswith("https://") and provider.tls_verify and not provider.tls_ca


def _authorities(rack: Rack) -> str | None:
    """Those that the host trusts; None on a host that is still to get its list."""
    done, output = rack.pyinfra_host.run_shell_command(StringCommand("cat", AUTHORITIES))
    lines = [line.line for line in output if line.buffer_name == "stdout"]
    # Names of authorities stand between the certificates, in any alphabet.
    return "\n".join(line for line in lines if line.isascii()) if done and lines else None


def _tls(provider: RemoteProvider, authorities: str | None) -> ssl.SSLContext | None:
    """How its certificate is verified; None: by the authorities that this machine trusts."""
    if not provider.url.startswith("https://"):
        return None
    if not provider.tls_verify:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    trusted = provider.tls_ca or authorities
    return ssl.create_default_context(cadata=trusted) if trusted else None
