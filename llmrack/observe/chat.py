"""A chat with a model, streamed: through a gateway, or with one instance directly.

Requests start on the gateway's host, through the SSH connection, so keys stay where they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from httpx import Client

from llmrack.hosts.asking import Gateways
from llmrack.hosts.provider_requests import NotAnswered, Reach
from llmrack.hosts.tunnel import http_client
from llmrack.observe.chat_stream import Broken, Counts, Tell, read
from llmrack.problems import nearest
from llmrack.secrets.places import MASTER_KEY
from llmrack.site.site import Site
from llmrack.stack.deployments import Deployment, deployments
from llmrack.stack.fleet import Host, gateway_url
from llmrack.stack.kinds import kind_of
from llmrack.stack.model_lists import Server, servers
from llmrack.stack.schema import Stack
from llmrack.stack.types import is_wildcard
from llmrack.verify.exchange import Bounds, Request, ask
from llmrack.verify.explain import explain
from llmrack.verify.probes import CHAT, GATEWAY, bearer, message_of
from llmrack.verify.results import Failed, one_line

# Seconds from one token to the next, the first included (a model may be loading), and in all.
PATIENT = Bounds(300, 3600)
# Most tokens of an answer: a model may never end by itself.
MOST_TOKENS = 2048
# Seconds; an answer within less time came in one piece, and has no pace.
SHORTEST = 0.01
# A stream that ends with the counts of tokens.
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}

Message = dict[str, str]


class NoChat(Exception):
    """A model, gateway or instance that cannot be asked: cause and way out."""


@dataclass(frozen=True)
class Answered:
    """The figures of an answer.

    + by: ``instance/model`` that answered
    + instead_of: the name that was asked for, if another model answered; else empty
    + duration: seconds from the request to the end
    """

    by: str
    instead_of: str
    duration: float
    counts: Counts

    def __str__(self) -> str:
        figures = []
        if self.counts.first_token is not None:
            figures.append(f"first token {self.counts.first_token:.2f} s")
        figures.append(f"{self.duration:.2f} s in all")
        if self.counts.output is not None:
            figures.append(f"{self.counts.input or 0} + {self.counts.output} tokens")
            spent = self.duration - (self.counts.first_token or 0)
            if self.counts.output and spent > SHORTEST:
                figures.append(f"{self.counts.output / spent:.1f} tokens/s")
        fallback = f" (a fallback: {self.instead_of} was asked for)" if self.instead_of else ""
        return f"{self.by} answered{fallback}: {', '.join(figures)}"


# Sends a whole conversation, and passes the answer on piece by piece. Raises Failed.
Chat = Callable[[Sequence[Message], Tell], Answered]


def open_chat(
    inventory: str, folder: Path, model: str, instance: str | None, gateway: str | None
) -> Chat:
    """Connect, once, for a chat with ``model``.

    + instance: as ``llmrack status`` names it; None: through the gateway
    + gateway: its host (default: the first)

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does, NoChat, and Unreached
    for the gateway's host.
    """
    gateways = Gateways(inventory, folder)
    host = _gateway(gateways, gateway)
    stack = gateways.declared.stack
    if instance is None:
        insist_on_chat(stack, model)
        return _through(gateways, host, model)
    if model in stack.names:
        insist_on_chat(stack, model)
    return _with(gateways, host, model, instance)


def _gateway(gateways: Gateways, name: str | None) -> Host:
    hosts = {host.name: host for host in gateways.hosts}
    if not hosts:
        raise NoChat("the inventory has no gateway to ask from; put a host into the group gateway")
    if name is None:
        return gateways.hosts[0]
    if name not in hosts:
        raise NoChat(f"there is no gateway {name!r}; {nearest(name, hosts)}")
    return hosts[name]


def _through(gateways: Gateways, host: Host, model: str) -> Chat:
    connected = gateways.connect(host)
    return through_gateway(
        gateways.declared, host, model, lambda: http_client(connected, gateway_url(host))
    )


def insist_on_chat(stack: Stack, model: str) -> None:
    """Raise NoChat unless a gateway serves ``model``, and it chats."""
    if model in stack.names:
        kind = kind_of(stack.models[stack.members(model)[0]])
        if kind != "chat":
            raise NoChat(f"{model} is for {kind}, and this is a chat; name a model that chats")
        return
    prefixes = tuple(name.removesuffix("*") for name in stack.names if is_wildcard(name))
    if not (prefixes and model.startswith(prefixes)):
        raise NoChat(f"nobody serves a model {model!r}; {nearest(model, stack.names)}")


def through_gateway(
    site: Site, host: Host, model: str, client_of: Callable[[], AbstractContextManager[Client]]
) -> Chat:
    """A chat with ``model`` through the gateway ``host``.

    + client_of: opens a client for the gateway's address
    """
    stack = site.stack
    every = deployments(stack, site.fleet, host)
    group = _group(stack, every, model)
    key = site.secrets[MASTER_KEY]

    def say(messages: Sequence[Message], tell: Tell) -> Answered:
        body = {"model": model, "messages": list(messages), **STREAMED, "max_tokens": MOST_TOKENS}
        request, asked = Request(CHAT, body, bearer(key)), f"{GATEWAY} on {host.name}"
        began = time.perf_counter()
        with client_of() as client, ask(client, request, asked, PATIENT) as answer:
            if answer.status != 200:
                raise Failed(explain(answer.status, message_of(answer.text()), group))
            try:
                counts = read(answer.lines(), tell, began)
            except Broken as error:
                raise Failed(explain(error.status, error.words, group)) from None
            by = answer.headers.get("x-litellm-model-id", "somebody")
        deployment = next((answering for answering in every if answering.id == by), None)
        members = {one.model for one in group}
        return Answered(
            f"{deployment.instance}/{deployment.model}" if deployment else by,
            model if deployment and deployment.model not in members else "",
            time.perf_counter() - began,
            counts,
        )

    return say


def _group(stack: Stack, every: Sequence[Deployment], model: str) -> list[Deployment]:
    """The deployments of the name ``model``, without its chain."""
    named = stack.meant(model)
    return [deployment for deployment in every if deployment.name == named] or [
        deployment
        for deployment in every
        if is_wildcard(deployment.name) and named.startswith(deployment.name.removesuffix("*"))
    ]


def _with(gateways: Gateways, host: Host, model: str, instance: str) -> Chat:
    declared = gateways.declared
    every = [
        server
        for name in declared.stack.providers
        for server in servers(declared.stack, declared.fleet, host, name)
    ]
    matching = [server for server in every if server.instance == instance]
    if not matching:
        known = nearest(instance, [server.instance for server in every])
        raise NoChat(f"there is no instance {instance!r}; {known}")
    server, upstream = _upstream(declared.stack, matching, model)
    reach = Reach(gateways.connect(host), declared.secrets, [server.declared], host)
    bound = {"options": {"num_predict": MOST_TOKENS}}
    in_openai_form = {**STREAMED, "max_tokens": MOST_TOKENS}
    form = in_openai_form if server.declared.takes_openai_chats else bound

    def say(messages: Sequence[Message], tell: Tell) -> Answered:
        body = {"model": upstream, "messages": list(messages), "stream": True, **form}
        began = time.perf_counter()
        try:
            with reach.talk(server) as talk, talk.stream(server.chat_url, body) as lines:
                counts = read(lines, tell, began)
        except NotAnswered as error:
            raise Failed(str(error)) from None
        except Broken as error:
            words = one_line(error.words, 160)
            raise Failed(f"{instance} broke off ({words}); see its journal") from None
        return Answered(f"{instance}/{upstream}", "", time.perf_counter() - began, counts)

    return say


def _upstream(stack: Stack, matching: Sequence[Server], model: str) -> tuple[Server, str]:
    """The provider's server to ask, and its name for ``model``.

    + matching: one server, once for each provider that has it
    + model: a public name, or the server's own name
    """
    named = stack.meant(model)
    for server in matching:
        if named in stack.models and server.provider in stack.models[named].provider:
            return server, stack.upstream(named, server.provider)
    return matching[0], model
