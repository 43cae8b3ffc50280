"""Asks every host, and from the gateways' hosts every server elsewhere, all at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import gevent
from pyinfra.api.host import Host as PyinfraHost

from llmrack.components.gateway.service import COLOURS, SOCKET, service
from llmrack.components.ollama.ollama import unit
from llmrack.components.paths import Home
from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import FAILURES, Unreached, reason
from llmrack.hosts.provider_requests import NotAnswered, Reach, Talk
from llmrack.observe.providers.discovery import models_at
from llmrack.observe.providers.gateway_health import GatewayHealth, parsed
from llmrack.observe.status.judging import (
    Heard,
    Told,
    elsewhere_row,
    gateway_row,
    instance_row,
    loaded_of,
)
from llmrack.observe.status.rows import ModelInfo, Status
from llmrack.resources.change import as_user
from llmrack.shipped.host import status as status_script
from llmrack.stack.engines import instances, is_engine
from llmrack.stack.fleet import GATEWAY_GROUP, Host, gateway_url
from llmrack.stack.instances import instance_name, instance_url
from llmrack.stack.model_lists import Server, not_listed, servers
from llmrack.stack.schema import Stack
from llmrack.verify.exchange import dig

# Seconds for everything that is asked of a host: three requests elsewhere (reach.DEADLINE);
# describing models takes a request for each.
PATIENCE, PATIENCE_FOR_MODELS = 45, 90


def status_of(gateways: Gateways, models: bool, keep: bool = False) -> Status:
    """How everything is that the inventory of ``gateways`` has.

    + models: also which models each instance has
    + keep: leave the connections open, for the next time
    """
    declared = gateways.declared
    stack, fleet = declared.stack, declared.fleet
    hosts = [host for host in fleet.hosts if is_engine(stack, host) or _is_gateway(host)]

    def question(host: Host, there: PyinfraHost) -> tuple[Told, dict[str, Heard]]:
        asked = _elsewhere(gateways, host)
        reach = Reach(there, declared.secrets, [server.declared for server in asked])
        # The host itself, and what it reaches, at the same time.
        listening = {
            server.provider: gevent.spawn(_listen, gateways, reach, server, host, models)
            for server in asked
        }
        try:
            told = Told(_look(stack, host, there, models), datetime.now(UTC))
            return told, {name: job.get() for name, job in listening.items()}
        finally:
            gevent.killall(list(listening.values()), block=False)

    patience = PATIENCE_FOR_MODELS if models else PATIENCE
    answers = gateways.ask(question, hosts, patience, keep)
    told, heard = {}, {}
    for name, answer in answers.items():
        if isinstance(answer, Unreached):
            now = datetime.now(UTC)
            told[name], heard[name] = Told(answer, now), dict[str, Heard]()
            for server in _elsewhere(gateways, declared.host(name)):
                heard[name][server.provider] = Heard(now, answer)
        else:
            told[name], heard[name] = answer
    health = [_health(host, told[host.name]) for host in gateways.hosts]
    rows = [gateway_row(host, told[host.name]) for host in gateways.hosts]
    for host in hosts:
        its = told[host.name]
        rows += [instance_row(stack, host, each, its, health) for each in instances(stack, host)]
    for name, provider in stack.providers.items():
        if provider.remote:
            by = {host.name: heard[host.name][name] for host in gateways.hosts if provider.enabled}
            rows.append(elsewhere_row(name, provider, by, health))
    return Status(tuple(rows))


def _is_gateway(host: Host) -> bool:
    return GATEWAY_GROUP in host.groups


def _look(stack: Stack, host: Host, there: PyinfraHost, models: bool) -> Mapping[str, Any]:
    """What ``status_script`` sees on a host. Raises OSError."""
    home = Home(host.settings.service_user, host.settings.service_home)
    question = {
        "instances": [
            {
                "name": instance_name(host, each),
                "unit": unit(each.name),
                "url": instance_url(host, each, host),
            }
            for each in instances(stack, host)
        ],
        "gateway": {"url": gateway_url(host), "venv": f"{home.gateway}/current/venv"}
        if _is_gateway(host)
        else None,
        "units": [SOCKET, *map(service, COLOURS)] if _is_gateway(host) else [],
        "models": models,
    }
    user = quote(home.user)
    look = as_user(user, f"exec python3 -I - {quote(json.dumps(question))}")
    # Before its first deploy there is nobody to be.
    script = f"if id -u {user} >/dev/null 2>&1; then {look}; else echo '{{}}'; fi"
    program = Path(status_script.__file__).read_text(encoding="utf-8")
    answer = run(there, sh(script), stdin=program)
    if not answer.succeeded:
        raise Unreached(f"it cannot be looked at: {answer.stderr or 'no reason given'}")
    found: Mapping[str, Any] = json.loads(answer.stdout)
    return found


def _elsewhere(gateways: Gateways, host: Host) -> list[Server]:
    """The servers elsewhere that a host has to ask: of all providers in use, if it is a gateway."""
    declared = gateways.declared
    return [
        server
        for name, provider in declared.stack.providers.items()
        if _is_gateway(host) and provider.enabled and provider.remote
        for server in servers(declared.stack, declared.fleet, host, name)
    ]


def _listen(gateways: Gateways, reach: Reach, server: Server, host: Host, models: bool) -> Heard:
    """What a server elsewhere answers; nothing is generated, so it costs nothing."""
    declaration = gateways.declared.declaration
    heard = Heard(datetime.now(UTC))
    try:
        with reach.talk(server) as talk:
            listed = talk.models()
            heard = replace(
                heard,
                latency=talk.seconds,
                missing=tuple(map(str, not_listed(declaration, server, listed, host.name))),
            )
            heard = _more(heard, server, talk)
            if models:
                found = tuple(_infos(gateways.declared.stack, server, talk, listed))
                heard = replace(heard, models=found)
            return heard
    except NotAnswered as error:
        return replace(heard, trouble=error.trouble)
    except FAILURES as error:
        # Of the host's own connection, which gevent would print.
        return replace(heard, trouble=Unreached(reason(error)))


def _more(heard: Heard, server: Server, talk: Talk) -> Heard:
    """Its version, and what it has loaded, where servers of its kind tell."""
    provider = server.declared
    if provider.version_url:
        heard = replace(heard, version=_said(talk, provider.version_url))
    if provider.loaded_path:
        with suppress(NotAnswered):
            listed = dig(talk.get(server.url + provider.loaded_path), "models")
            heard = replace(heard, loaded=loaded_of(listed))
    return heard


def _said(talk: Talk, url: str) -> str | None:
    """A version; nobody owes us one."""
    try:
        return str(dig(talk.get(url), "version") or "") or None
    except NotAnswered:
        return None


def _infos(
    stack: Stack, server: Server, talk: Talk, listed: Mapping[str, Mapping[str, Any]]
) -> Iterator[ModelInfo]:
    declared = {
        stack.upstream(model, server.provider) for model in stack.models_of(server.provider)
    }
    full_name = server.declared.full_name
    known = {full_name(each) for each in declared}
    for each in models_at(server, talk):
        size = listed.get(each.name, {}).get("size")
        yield ModelInfo(
            each.name,
            each.context_length,
            each.capabilities or (),
            size if isinstance(size, int) else None,
            full_name(each.name) in known,
        )


def _health(host: Host, told: Told) -> GatewayHealth:
    seen = {} if isinstance(told.seen, Unreached) else told.seen
    return parsed(host.name, dig(seen, "gateway", "told"), float(seen.get("now", 0)))
