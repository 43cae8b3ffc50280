"""The ports that llmrack's services listen on, and other programs that have taken them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from llmrack.components.engines import engine_of
from llmrack.components.gateway.service import SOCKET
from llmrack.components.old_services.services import old_services
from llmrack.resources.look import ListenerSeen, Look, Seen
from llmrack.stack.engines import instances
from llmrack.stack.fleet import EXPORTER_PORT, GATEWAY_GROUP, MONITOR_GROUP, Fleet, Host, bracketed
from llmrack.stack.schema import Stack


@dataclass(frozen=True)
class Listener:
    """A TCP port.

    + bind: the address it is bound to; empty: every address of the host
    + server: who answers there, for a person
    + setting: the setting that declares the port; empty for what packages listen on
    """

    bind: str
    port: int
    server: str
    setting: str = ""

    def __str__(self) -> str:
        return f"{bracketed(self.bind) or '*'}:{self.port} ({self.server})"


def listeners(stack: Stack, fleet: Fleet, host: Host) -> list[Listener]:
    """The ports that llmrack's services on ``host`` always listen on, in the order they are made.

    While a model is loaded its runner listens as well, on a port of 127.0.0.1 that Ollama chooses;
    so does a gateway's candidate while it is tried.
    """
    settings = host.settings
    planned = []
    planned += [
        Listener(
            instance.bind, instance.port, f"{engine.title} {instance.name}", engine.port_setting
        )
        for instance in instances(stack, host)
        for engine in [engine_of(instance)]
    ]
    if GATEWAY_GROUP in host.groups:
        planned.append(
            Listener(settings.gateway_bind, settings.gateway_port, "gateway", "gateway_port")
        )
    if fleet.monitors:
        alone = all(monitor.name == host.name for monitor in fleet.monitors)
        planned.append(Listener("127.0.0.1" if alone else "", EXPORTER_PORT, "node exporter"))
    if MONITOR_GROUP in host.groups:
        planned.append(Listener(settings.monitor_bind, settings.monitor_port, "Prometheus"))
    return planned


def look(stack: Stack, fleet: Fleet, host: Host, look: Look) -> None:
    """Add to ``look`` what ``taken`` needs to see."""
    look.ports.update(
        listener.port for listener in listeners(stack, fleet, host) if listener.setting
    )


def holder_of(
    bind: str, port: int, listeners: Iterable[ListenerSeen], socket_is_active: bool
) -> ListenerSeen | None:
    """The other program that keeps a service of llmrack's from listening, if there is one.

    + bind, port: where the service listens
    + socket_is_active: whether the service user's manager holds the gateway's socket
    """
    planned = Listener(bind, port, "")
    holders = [listener for listener in listeners if _meets(planned, listener)]
    if any(_is_ours(listener, socket_is_active) for listener in holders):
        return None
    return next(iter(holders), None)


def taken(stack: Stack, fleet: Fleet, host: Host, seen: Seen) -> list[str]:
    """For each port that another program has taken: that program, and the way out."""
    planned = [listener for listener in listeners(stack, fleet, host) if listener.setting]
    # What `replaces` names makes room.
    leaving = old_services(seen).values()
    staying = [
        other for other in seen.listeners if not any(service.holds(other) for service in leaving)
    ]
    after = replace(seen, listeners=staying)
    return [reason for listener in planned for reason in _in_the_way(listener, host, after)]


def _in_the_way(planned: Listener, host: Host, seen: Seen) -> Iterator[str]:
    socket = seen.units.get(SOCKET)
    is_active = socket is not None and socket.active == "active"
    holder = holder_of(planned.bind, planned.port, seen.listeners, is_active)
    if holder is None:
        return
    yield (
        f"port {planned.port}, which is for {planned.server}, is taken: {holder} listens at "
        f"{holder.address}; `llmrack adopt {host.name}` shows how to take it over, `replaces` lets "
        f"a deploy stop it for good, or set {planned.setting} to another port"
    )


def _meets(planned: Listener, other: ListenerSeen) -> bool:
    address, _, port = other.address.rpartition(":")
    everywhere = {"", "*", "0.0.0.0", "::", "[::]"}  # noqa: S104  (nothing is bound here)
    return int(port) == planned.port and (
        bool({address, planned.bind} & everywhere) or address == bracketed(planned.bind)
    )


def _is_ours(listener: ListenerSeen, socket_is_active: bool) -> bool:
    """Whether it is a service of llmrack's, or the manager that holds the gateway's socket."""
    holds = listener.program == "systemd" and socket_is_active
    return holds or listener.unit.startswith("llmrack-")
