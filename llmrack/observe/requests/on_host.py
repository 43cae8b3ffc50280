"""Programs of this package that run on the gateways' hosts, where the logs are."""

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
    """What runs the program that ``program`` gives, as the service user."""
    user = quote(host.settings.service_user)
    script = (
        f"id -u {user} > /dev/null 2>&1 || "
        f"{{ echo no user {user} there, so no gateway was deployed >&2; exit 1; }}; "
        + as_user(host.settings.service_user, f"exec python3 -I -c {quote(BEGIN)}")
    )
    return sh(script)


def program(module: ModuleType, **asked: object) -> str:
    """One line for its standard input.

    + module: its ``main`` is called
    + asked: the arguments of ``main``
    """
    return json.dumps({"program": shipped.program(module.__name__), "asked": asked})


def ask_log(
    gateways: Gateways,
    module: ModuleType,
    **asked: object,
) -> dict[str, Any | Unreached]:
    """What a program prints (JSON) on each gateway's host, by its name.

    + asked: its arguments, beside ``folder``: where the logs are
    """

    def question(host: Host, there: PyinfraHost) -> Any:  # noqa: ANN401  (JSON)
        told = program(module, folder=host.home.requests, **asked)
        answer = run(there, command(host), stdin=told)
        if not answer.succeeded:
            raise Unreached(f"its logs cannot be read: {answer.stderr or 'no reason given'}")
        return json.loads(answer.stdout)

    return gateways.ask(question, patience=DEADLINE)
