"""Looks at a host without changing anything there."""

from __future__ import annotations

import json
import secrets as random
from shlex import quote

from pyinfra.api.host import Host as PyinfraHost

from llmrack.adopt.host.seen import HostSeen, servers_of
from llmrack.adopt.host.variables import VARIABLES
from llmrack.components.gpu.gpus import gpus
from llmrack.components.gpu.lines import LOOK
from llmrack.components.system.system import VERSION, refusals
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connect import connect
from llmrack.hosts.connection import Unreached
from llmrack.hosts.snapshot import Snapshot
from llmrack.resources.look import Look, parse
from llmrack.shipped import program
from llmrack.stack.fleet import GATEWAY_GROUP
from llmrack.stack.fleet import Host as FleetHost
from llmrack.stack.settings import Settings

# Seconds for all questions; of a server with hundreds of models each is asked.
PATIENCE = 120
_PROGRAM = "llmrack.shipped.host.servers"


def look_at(host: PyinfraHost) -> HostSeen:
    """What runs on a host. Raises Unreached."""
    connect(host)
    try:
        return _look(host)
    finally:
        host.disconnect()


def _look(host: PyinfraHost) -> HostSeen:
    settings = Settings()
    # Which user the services will have is still to be seen, so no user is asked for.
    question = Look(notes={VERSION})
    question.ask(LOOK)
    lines = host.get_fact(Snapshot, look=question, nonce=random.token_hex(8))
    try:
        seen = parse(lines, question)
    except ValueError as error:
        raise Unreached(str(error)) from None
    if not seen.fact("python"):
        raise Unreached("it has no python3, which the look needs: install it (apt-get install)")
    variables = quote(json.dumps({"variables": VARIABLES}))
    answer = run(host, sh(f"exec python3 -I - {variables}"), program(_PROGRAM), PATIENCE)
    if not answer.succeeded:
        lines_of_error = answer.stderr.strip().splitlines()
        cause = lines_of_error[-1] if lines_of_error else "no reason given"
        raise Unreached(f"it cannot be looked at: {cause}")
    system = f"{seen.fact('os').capitalize()} {seen.fact('os_version')}, {seen.fact('arch')}"
    as_declared = FleetHost(host.name, frozenset({"gpu", GATEWAY_GROUP}), "", settings)
    return HostSeen(
        system,
        gpus(seen, settings),
        servers_of(json.loads(answer.stdout)),
        seen.notes.get(VERSION, ""),
        tuple(refusals(as_declared, seen)),
    )
