"""The answers of hosts and servers that were asked for their state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llmrack.components.gateway.service import SOCKET
from llmrack.components.listeners import holder_of
from llmrack.hosts.connection import Unreached
from llmrack.observe.status.server_status import Loaded, ModelInfo
from llmrack.resources.look import ListenerSeen
from llmrack.verify.causes import Trouble
from llmrack.verify.exchange import dig


@dataclass(frozen=True)
class HostAnswer:
    """The answer of a host.

    + seen: the output of ``shipped/host/status.py``; without units if the service user is missing.
      ``listeners`` are the fields of each ListenerSeen, if a server does not answer;
      ``run_again`` the entries of ``replaces`` that run though llmrack has replaced them
    + checked: when it was asked, in UTC
    """

    seen: Mapping[str, Any] | Unreached
    checked: datetime

    def port_taken(self, bind: str, port: int, setting: str) -> str:
        """The other program that listens where a server should, and the way out; or nothing.

        + setting: the one that declares the port
        """
        if isinstance(self.seen, Unreached):
            return ""
        listeners = [ListenerSeen(*fields) for fields in self.seen.get("listeners", ())]
        socket_is_active = dig(self.seen, "units", SOCKET, "ActiveState") == "active"
        holder = holder_of(bind, port, listeners, socket_is_active)
        if holder is None:
            return ""
        return (
            f"port {port} is taken by {holder}: stop that (a deploy does if `replaces` names it), "
            f"or set {setting} to another port; "
        )

    def run_again(self, instance: str) -> str:
        """The services that run though llmrack has replaced them, and the way out; or nothing.

        + instance: the name of an instance; empty for the gateway. One server of a host says it:
          its first instance, or else its gateway
        """
        if isinstance(self.seen, Unreached):
            return ""
        entries = self.seen.get("run_again", ())
        first = next(iter(self.seen.get("instances", ())), "")
        if not entries or instance != first:
            return ""
        verb = "run" if len(entries) > 1 else "runs"
        return (
            f"{', '.join(entries)} {verb} again, though llmrack serves in that place (`replaces`): "
            "a deploy stops it"
        )


@dataclass(frozen=True)
class ServerAnswer:
    """The answer of a server elsewhere to one gateway.

    + checked: when it was asked, in UTC
    + trouble: the failure; None if it answers
    + latency: seconds of a short answer
    + missing: a sentence for each declared model that it does not list
    """

    checked: datetime
    trouble: Trouble | Unreached | None = None
    latency: float | None = None
    version: str | None = None
    missing: tuple[str, ...] = ()
    loaded: tuple[Loaded, ...] = ()
    models: tuple[ModelInfo, ...] = ()
