"""Exact names of models, checked against the providers' own lists before anything is changed."""

from __future__ import annotations

import gevent
from pyinfra import logger

from llmrack.deploy.run.rack import Rack
from llmrack.hosts.connection import Unreached
from llmrack.hosts.guard import Refusal
from llmrack.hosts.provider_requests import NotAnswered, Reach
from llmrack.problems import DeclarationError, Problem
from llmrack.stack.fleet import GATEWAY_GROUP
from llmrack.stack.model_lists import Server, not_listed, servers, with_lists
from llmrack.verify.causes import Trouble


def insist_on_listed_models(rack: Rack) -> None:
    """Raise Refusal, which ends the run for every host, when a provider lacks a declared model.

    A gateway that is to be changed asks, through its own SSH connection: it is the one that has
    to reach the provider, and needs nothing installed for it. Who gives no list is warned of: the
    proof will show more. A run that changes no gateway asks nobody.
    """
    if GATEWAY_GROUP not in rack.host.groups or not rack.is_seen:
        return
    if not rack.changes["gateway"]:
        return
    declared = rack.run.declared
    providers = with_lists(declared.stack)
    reach = Reach(rack.pyinfra_host, declared.secrets, providers.values(), rack.host)
    asked = [
        (server, gevent.spawn(_listed, reach, server))
        for name in providers
        for server in servers(declared.stack, rack.run.fleet, rack.host, name)
    ]
    problems: list[Problem] = []
    for server, greenlet in asked:
        found: set[str] | NotAnswered = greenlet.get()
        if isinstance(found, NotAnswered):
            text = (
                f"provider {server.provider!r} gives no list of its models, so names are not "
                f"checked: {found}"
            )
            rack.say(text, logger.warning)
        else:
            problems += not_listed(declared.declaration, server, found, rack.host.name)
    if problems:
        raise Refusal(
            f"models are declared that providers do not have; no host was touched\n"
            f"{DeclarationError(problems)}"
        )


def _listed(reach: Reach, server: Server) -> set[str] | NotAnswered:
    """The names; or why there are none, returned since gevent prints what a greenlet raises."""
    try:
        with reach.talk(server) as talk:
            return set(talk.models())
    except NotAnswered as error:
        return error
    except Unreached as error:
        return NotAnswered(Trouble("connection", str(error), "see whether the host is well"))
