"""Reads the state of servers as the gateways see it.

Each gateway writes it into a file (``llmrack/shipped/gateway/routing/health_file.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from pyinfra.api.host import Host as PyinfraHost

from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import run, sh
from llmrack.hosts.connection import Unreached
from llmrack.stack.fleet import Host
from llmrack.verify.exchange import dig
from llmrack.verify.results import one_line

FILE = "llmrack/health.json"


@dataclass(frozen=True)
class Rest:
    """A server or a model that a gateway does not ask for a while.

    + model: the server's name for the model; empty for the whole server
    + seconds: since it was put aside
    + why: the gateway's words
    """

    model: str
    seconds: float
    why: str

    def __str__(self) -> str:
        subject = f"{self.model} " if self.model else ""
        return f"{subject}put aside {self.seconds:.0f} s ago: {self.why}"


@dataclass(frozen=True)
class GatewayHealth:
    """The state of servers as one gateway sees it.

    + gateway: its host
    + rests: by instance; an instance that is well has none
    + unknown: why the state is not known, else empty
    """

    gateway: str
    rests: Mapping[str, tuple[Rest, ...]]
    unknown: str = ""

    def of(self, instance: str) -> str:
        """The state of one server in words: ok, its rests, or unknown with the reason."""
        if self.unknown:
            return f"unknown ({self.unknown})"
        if instance not in self.rests:
            return "unknown (not deployed)"
        return "; ".join(map(str, self.rests[instance])) or "ok"


def gateway_health(gateways: Gateways) -> list[GatewayHealth]:
    """Read the file of every gateway, in the inventory's order; no server is asked."""
    return [
        GatewayHealth(name, {}, one_line(str(answer))) if isinstance(answer, Unreached) else answer
        for name, answer in gateways.ask(_read).items()
    ]


def _read(gateway: Host, connected: PyinfraHost) -> GatewayHealth:
    user = quote(gateway.settings.service_user)
    # The file of a process that has ended does not count.
    script = (
        f"f=/run/user/$(id -u {user})/{FILE}; date +%s; cat $f; "
        "p=$(sed -n 's/^{\"pid\": \\([0-9]*\\).*/\\1/p' $f); test -d /proc/${p:-none}"
    )
    answer = run(connected, sh(script))
    lines = answer.lines
    if not answer.succeeded:
        return GatewayHealth(gateway.name, {}, "its gateway does not run")
    try:
        now, content = float(lines[0]), json.loads("\n".join(lines[1:]))
    except (ValueError, IndexError):
        return GatewayHealth(gateway.name, {}, "its health.json is damaged")
    return parsed(gateway.name, content, now)


def parsed(gateway: str, content: object, now: float) -> GatewayHealth:
    """The state in a gateway's file.

    + content: of the file (JSON)
    + now: the time of the host, in seconds since 1970
    """
    rests: dict[str, tuple[Rest, ...]] = {}
    for name, instance in (dig(content, "instances") or {}).items():
        reported = {"": dig(instance, "rest")} | (dig(instance, "models") or {})
        rests[name] = tuple(
            Rest(model, max(0.0, now - float(rest["since"])), str(rest["why"]))
            for model, rest in reported.items()
            if rest
        )
    return GatewayHealth(gateway, rests)
