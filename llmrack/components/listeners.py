"""What listens on a host because of llmrack, and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.stack.engines import instances
from llmrack.stack.fleet import (
    EXPORTER_PORT,
    GATEWAY_GROUP,
    MONITOR_GROUP,
    Fleet,
    Host,
    bracketed,
    is_engine,
)
from llmrack.stack.schema import Stack


@dataclass(frozen=True)
class Listener:
    """A TCP port.

    + bind: the address it is bound to; empty: every address of the host
    + what: who answers there, for a person
    """

    bind: str
    port: int
    what: str

    def __str__(self) -> str:
        return f"{bracketed(self.bind) or '*'}:{self.port} ({self.what})"


def listeners(stack: Stack, fleet: Fleet, host: Host) -> list[Listener]:
    """Everything of llmrack's that listens on ``host`` all the time, in the order it is made.

    While a model is loaded its runner listens as well, on a port of 127.0.0.1 that Ollama chooses;
    so does a gateway's candidate while it is tried.
    """
    settings = host.settings
    found = []
    if is_engine(stack, host):
        found += [
            Listener(settings.ollama_bind, each.port, f"Ollama {each.name}")
            for each in instances(host)
        ]
    if GATEWAY_GROUP in host.groups:
        found.append(Listener(settings.gateway_bind, settings.gateway_port, "gateway"))
    if fleet.monitors:
        alone = all(each.name == host.name for each in fleet.monitors)
        found.append(Listener("127.0.0.1" if alone else "", EXPORTER_PORT, "node exporter"))
    if MONITOR_GROUP in host.groups:
        found.append(Listener(settings.monitor_bind, settings.monitor_port, "Prometheus"))
    return found
