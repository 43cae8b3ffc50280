"""Asks all hosts for units that cannot start, and for what the journal has of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyinfra.api.host import Host as PyinfraHost

from llmrack.components.engines import units as units_of_instances
from llmrack.components.gateway.service import COLOURS, SOCKET, service
from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import Unreached
from llmrack.resources.script import script_file
from llmrack.secrets.value import redact
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import GATEWAY_GROUP, Host
from llmrack.verify.results import one_line

# LiteLLM logs a whole traceback in one line; its beginning says what happened.
LONGEST_LINE = 240


@dataclass(frozen=True)
class BrokenUnit:
    """A unit of llmrack's that has failed, or that systemd starts again and again.

    + state: systemd's ActiveState, SubState and Result, as in ``failed (exit-code)``
    + restarts: how often systemd has restarted it
    + journal: its last lines, without secrets
    """

    host: str
    unit: str
    state: str
    restarts: int
    journal: tuple[str, ...] = ()


def broken_units(gateways: Gateways) -> tuple[list[BrokenUnit], dict[str, str]]:
    """The broken units of all hosts, and by host why one could not be asked."""
    declared = gateways.declared
    stack, secrets = declared.stack, dict(declared.secrets)
    hosts = [
        host
        for host in declared.fleet.hosts
        if is_engine(stack, host) or GATEWAY_GROUP in host.groups
    ]

    def question(host: Host, connected: PyinfraHost) -> list[BrokenUnit]:
        names = units_of_instances(stack, host)
        if GATEWAY_GROUP in host.groups:
            names = [*names, SOCKET, *map(service, COLOURS)]
        script = script_file("observe/broken-units.sh", host.settings.service_user, *names)
        answer = run(connected, sh(script))
        if not answer.succeeded:
            raise Unreached(f"its units cannot be looked at: {answer.stderr or 'no reason given'}")
        return parsed(host.name, [redact(line, secrets) for line in answer.lines])

    answers = gateways.ask(question, hosts)
    unreached = {name: str(why) for name, why in answers.items() if isinstance(why, Unreached)}
    return [
        unit for answer in answers.values() if not isinstance(answer, Unreached) for unit in answer
    ], unreached


def parsed(host: str, lines: list[str]) -> list[BrokenUnit]:
    """The units that ``broken-units.sh`` has printed on a host."""
    units: dict[str, BrokenUnit] = {}
    for line in lines:
        match line.split("\t", 2 if line.startswith("line\t") else -1):
            case ["unit", name, active, sub, result, restarts]:
                state = f"{sub if active != 'failed' else active} ({result})"
                units[name] = BrokenUnit(host, name, state, int(restarts))
            case ["line", name, text] if name in units:
                journal = (*units[name].journal, one_line(text, LONGEST_LINE))
                units[name] = replace(units[name], journal=journal)
    return list(units.values())
