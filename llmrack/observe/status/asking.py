"""Asks every host for its state, and from the gateways' hosts every server elsewhere, at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import gevent
from pyinfra.api.host import Host as PyinfraHost

from llmrack.components.engines import models_folder, unit_of
from llmrack.components.gateway.service import COLOURS, SOCKET, service
from llmrack.components.old_services.services import old_services_part
from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import FAILURES, Unreached, reason
from llmrack.hosts.provider_requests import NotAnswered, Reach, Talk
from llmrack.observe.providers.discovery import models_at
from llmrack.observe.providers.gateway_health import GatewayHealth, parsed
from llmrack.observe.status.answers import HostAnswer, ServerAnswer
from llmrack.observe.status.judging import (
    elsewhere_status,
    gateway_status,
    instance_status,
    loaded_of,
)
from llmrack.observe.status.server_status import ModelInfo, Status
from llmrack.resources.change import as_user
from llmrack.resources.script import script_file
from llmrack.shipped import program
from llmrack.stack.engines import instances, is_engine
from llmrack.stack.fleet import GATEWAY_GROUP, Host, gateway_url
from llmrack.stack.instances import instance_name, instance_url
from llmrack.stack.model_lists import Server, not_listed, servers
from llmrack.stack.schema import Stack
from llmrack.verify.exchange import dig

# Seconds for all questions to a host: three requests elsewhere (reach.DEADLINE); with the
# descriptions of models one more request for each.
PATIENCE, PATIENCE_FOR_MODELS = 45, 90


def status_of(gateways: Gateways, models: bool = False, keep: bool = False) -> Status:
    """Ask all hosts of an inventory for their state, at once; a dead one delays no other.

    + models: also list the models of each instance
    + keep: leave the connections open, for the next time
    """
    declared = gateways.declared
    stack, fleet = declared.stack, declared.fleet
    hosts = [host for host in fleet.hosts if is_engine(stack, host) or _is_gateway(host)]

    def question(host: Host, connected: PyinfraHost) -> tuple[HostAnswer, dict[str, ServerAnswer]]:
        elsewhere = _elsewhere(gateways, host)
        providers = [server.declared for server in elsewhere]
        reach = Reach(connected, declared.secrets, providers, host)
        # The host itself, and what it reaches, at the same time.
        jobs = {
            server.provider: gevent.spawn(_ask_server, gateways, reach, server, host, models)
            for server in elsewhere
        }
        try:
            answer = HostAnswer(_look(stack, host, connected, models), datetime.now(UTC))
            return answer, {name: job.get() for name, job in jobs.items()}
        finally:
            gevent.killall(list(jobs.values()), block=False)

    patience = PATIENCE_FOR_MODELS if models else PATIENCE
    of_hosts: dict[str, HostAnswer] = {}
    of_servers: dict[str, dict[str, ServerAnswer]] = {}
    for name, answer in gateways.ask(question, hosts, patience, keep).items():
        if isinstance(answer, Unreached):
            now = datetime.now(UTC)
            of_hosts[name] = HostAnswer(answer, now)
            of_servers[name] = {
                server.provider: ServerAnswer(now, answer)
                for server in _elsewhere(gateways, declared.host(name))
            }
        else:
            of_hosts[name], of_servers[name] = answer
    health = [_health(host, of_hosts[host.name]) for host in gateways.hosts]
    statuses = [gateway_status(host, of_hosts[host.name]) for host in gateways.hosts]
    for host in hosts:
        statuses += [
            instance_status(stack, host, instance, of_hosts[host.name], health)
            for instance in instances(stack, host)
        ]
    for name, provider in stack.providers.items():
        if provider.remote:
            by = {
                host.name: of_servers[host.name][name]
                for host in gateways.hosts
                if provider.enabled
            }
            statuses.append(elsewhere_status(name, provider, by, health))
    return Status(tuple(statuses))


def _is_gateway(host: Host) -> bool:
    return GATEWAY_GROUP in host.groups


def _look(stack: Stack, host: Host, connected: PyinfraHost, models: bool) -> Mapping[str, Any]:
    """The output of ``shipped/host/status.py`` on a host. Raises Unreached."""
    home = host.home
    question = {
        "instances": [
            {
                "name": instance_name(host, instance),
                "engine": instance.engine,
                "unit": unit_of(instance),
                "url": instance_url(host, instance, host),
            }
            for instance in instances(stack, host)
        ],
        "gateway": {"url": gateway_url(host), "venv": f"{home.gateway}/current/venv"}
        if _is_gateway(host)
        else None,
        "units": [SOCKET, *map(service, COLOURS)] if _is_gateway(host) else [],
        "models": models,
    }
    user = quote(home.user)
    look = as_user(user, f"exec python3 -I - {quote(json.dumps(question))}")
    # Before the first deploy there is no such user, but standard input must be read all the same.
    script = f"if id -u {user} >/dev/null 2>&1; then {look}; else cat >/dev/null; echo '{{}}'; fi"
    answer = run(connected, sh(script), stdin=program("llmrack.shipped.host.status"))
    if not answer.succeeded:
        raise Unreached(f"it cannot be looked at: {answer.stderr or 'no reason given'}")
    seen: dict[str, Any] = json.loads(answer.stdout)
    if _is_troubled(seen):
        # Only root sees whose a port is.
        ports = {instance.port for instance in instances(stack, host)}
        if _is_gateway(host):
            ports.add(host.settings.gateway_port)
        lines = run(connected, sh(script_file("resources/look/ports.sh", *sorted(ports)))).lines
        seen["listeners"] = [line.split("\t")[1:] for line in lines]
    if host.settings.replaces:
        seen["run_again"] = _run_again(host, connected)
    return seen


def _run_again(host: Host, connected: PyinfraHost) -> list[str]:
    """The entries of ``replaces`` that run though llmrack has replaced them."""
    part = old_services_part(host.settings, models_folder(host))
    lines = run(connected, sh(script_file(part.script, *part.arguments))).lines
    services = part.read([line.split("\t")[1:] for line in lines])
    return [entry for entry, service in services.items() if service.runs and service.noted]


def _is_troubled(seen: Mapping[str, Any]) -> bool:
    """Whether a server of the host does not answer, or the host was never deployed."""
    gateway = [seen["gateway"]] if seen.get("gateway") else []
    servers = [*seen.get("instances", {}).values(), *gateway]
    return not seen or any("error" in server for server in servers)


def _elsewhere(gateways: Gateways, host: Host) -> list[Server]:
    """The servers elsewhere that a host asks: of all enabled providers, if it is a gateway."""
    declared = gateways.declared
    return [
        server
        for name, provider in declared.stack.providers.items()
        if _is_gateway(host) and provider.enabled and provider.remote
        for server in servers(declared.stack, declared.fleet, host, name)
    ]


def _ask_server(
    gateways: Gateways, reach: Reach, server: Server, host: Host, models: bool
) -> ServerAnswer:
    """The answer of a server elsewhere; nothing is generated, so it costs nothing."""
    declaration = gateways.declared.declaration
    answer = ServerAnswer(datetime.now(UTC))
    if not server.declared.lists_models:
        return answer
    try:
        with reach.talk(server) as talk:
            listed = talk.models()
            answer = replace(
                answer,
                latency=talk.seconds,
                missing=tuple(map(str, not_listed(declaration, server, listed, host.name))),
            )
            answer = _with_version(answer, server, talk)
            if models:
                infos = tuple(_infos(gateways.declared.stack, server, talk, listed))
                answer = replace(answer, models=infos)
            return answer
    except NotAnswered as error:
        return replace(answer, trouble=error.trouble)
    except FAILURES as error:
        # Raised by the host's own connection; gevent would print it.
        return replace(answer, trouble=Unreached(reason(error)))


def _with_version(answer: ServerAnswer, server: Server, talk: Talk) -> ServerAnswer:
    """Add the server's version and its loaded models, if servers of its kind tell them."""
    provider = server.declared
    if provider.version_url:
        answer = replace(answer, version=_version(talk, provider.version_url))
    if provider.loaded_path:
        with suppress(NotAnswered):
            listed = dig(talk.get(server.at(provider.loaded_path)), "models")
            answer = replace(answer, loaded=loaded_of(listed))
    return answer


def _version(talk: Talk, url: str) -> str | None:
    """The version that a server answers at ``url``; None if it does not answer."""
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
    known = {full_name(name) for name in declared}
    for model in models_at(server, talk):
        size = listed.get(model.name, {}).get("size")
        yield ModelInfo(
            model.name,
            model.context_length,
            model.capabilities or (),
            size if isinstance(size, int) else None,
            full_name(model.name) in known,
        )


def _health(host: Host, answer: HostAnswer) -> GatewayHealth:
    seen = {} if isinstance(answer.seen, Unreached) else answer.seen
    return parsed(host.name, dig(seen, "gateway", "told"), float(seen.get("now", 0)))
