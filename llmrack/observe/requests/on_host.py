"""Runs programs of llmrack/shipped/host on the gateways' hosts, where the logs are."""

from __future__ import annotations

import json
from shlex import quote
from types import ModuleType
from typing import Any

from pyinfra.api import StringCommand
from pyinfra.api.host import Host as PyinfraHost

from llmrack import shipped
from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import Unreached
from llmrack.resources.change import as_user
from llmrack.stack.fleet import Host

# Seconds for the whole log: ten million lines take about a minute (bench/README.md).
DEADLINE = 300

# The program comes on standard input.
BEGIN = """
import json, sys, types
told = json.loads(sys.stdin.readline())
module = sys.modules["program"] = types.ModuleType("program")
exec(compile(told["program"], "program", "exec"), module.__dict__)
module.main(**told["asked"])
"""


def command(host: Host) -> StringCommand:
    """The command that runs a text of ``program``, as the service user."""
    user = quote(host.settings.service_user)
    script = (
        f"id -u {user} > /dev/null 2>&1 || "
        f"{{ echo no user {user} there, so no gateway was deployed >&2; exit 1; }}; "
        + as_user(host.settings.service_user, f"exec python3 -I -c {quote(BEGIN)}")
    )
    return sh(script)


def program(module: ModuleType, **asked: object) -> str:
    """A line for the command's standard input.

    + module: its ``main`` is called
    + asked: the arguments of ``main``
    """
    return json.dumps({"program": shipped.program(module.__name__), "asked": asked})


def ask_log(
    gateways: Gateways,
    module: ModuleType,
    **asked: object,
) -> tuple[dict[str, Any], dict[str, str]]:
    """What a program prints (JSON) on each gateway's host; and why others could not be asked.

    Both are by the host's name.

    + asked: its arguments, besides ``folder``, that of the logs
    """

    def question(host: Host, connected: PyinfraHost) -> Any:  # noqa: ANN401  (JSON)
        text = program(module, folder=host.home.requests, **asked)
        answer = run(connected, command(host), stdin=text)
        if not answer.succeeded:
            raise Unreached(f"its logs cannot be read: {answer.stderr or 'no reason given'}")
        return json.loads(answer.stdout)

    answers = gateways.ask(question, patience=DEADLINE)
    unreached = {host: str(why) for host, why in answers.items() if isinstance(why, Unreached)}
    return {host: answers[host] for host in answers if host not in unreached}, unreached
