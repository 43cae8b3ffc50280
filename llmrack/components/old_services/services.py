"""Services of somebody else on a host, which ``replaces`` names: their states, and remarks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from llmrack.resources.look import ListenerSeen, Part, Seen
from llmrack.stack.old_services import program_and_name
from llmrack.stack.settings import Settings

# Notes of what was replaced begin with this word; see ``resources.ownership``.
REPLACED = "replaced"
_TAG = "old"


@dataclass(frozen=True)
class OldModels:
    """The models of an old engine that has another models directory than llmrack's.

    + size: bytes on disk
    + user, home: who the unit runs as; empty for a container
    """

    folder: str
    size: int
    user: str
    home: str


@dataclass(frozen=True)
class OldService:
    """A service that ``replaces`` names and that the host has.

    + unit: the name of the unit, or the id of the container
    + runs: whether it runs, or systemd is about to start it again
    + held: whether it is kept from starting again
    + noted: whether llmrack has noted that it replaces it
    + ports: TCP ports of the host that it publishes (containers) or listens on (sockets)
    + vanishes: whether it is a container that is removed once it is stopped
    + pid: of the first process of a container that runs; else empty or 0
    """

    unit: str
    runs: bool
    held: bool
    noted: bool
    ports: frozenset[int] = frozenset()
    vanishes: bool = False
    pid: str = ""
    models: OldModels | None = None

    @property
    def is_replaced(self) -> bool:
        """Whether there is nothing left to do."""
        return self.held and not self.runs

    def holds(self, listener: ListenerSeen) -> bool:
        """Whether the process that listens belongs to it."""
        port = int(listener.address.rpartition(":")[2])
        is_container = not self.unit.endswith((".service", ".socket"))
        is_first = bool(listener.pid) and listener.pid == self.pid
        if is_container and (is_first or self.unit in listener.unit):
            return True
        # Docker's and Podman's helpers hold published ports, systemd those of its sockets.
        helpers = ("docker-proxy", "conmon", "rootlessport", "systemd")
        published = port in self.ports and listener.program in helpers
        return self.runs and (published or listener.unit == self.unit)


def old_services_part(settings: Settings, models: str) -> Part:
    """What the look asks about them.

    + models: the folder in which the host shall have its models
    """
    words = (models, *settings.replaces)
    return Part(_TAG, "old_services/look.sh", read, words)


def old_services(seen: Seen) -> Mapping[str, OldService]:
    """Those that the host has, by their entries in ``replaces``; empty if the look did not ask."""
    services: Mapping[str, OldService] = seen.parts.get(_TAG, {})
    return services


def read(lines: list[list[str]]) -> Mapping[str, OldService]:
    """The services in what ``look.sh`` printed, without the tag."""
    services: dict[str, OldService] = {}
    for kind, entry, *fields in lines:
        match kind, fields:
            case "unit" | "container", [unit, state, held, noted, ports, *container]:
                services[entry] = OldService(
                    unit,
                    state == "running",
                    held == "held",
                    noted == "noted",
                    frozenset(int(port) for port in ports.split()),
                    container[:1] == ["removed"],
                    "".join(container[1:]),
                )
            case "models", [folder, size, user, home] if entry in services:
                models = OldModels(folder, int(size or 0), user, home)
                services[entry] = replace(services[entry], models=models)
    return services


def holds_port(seen: Seen, entry: str, ports: Collection[int]) -> bool:
    """Whether the service of ``entry`` has one of the ports."""
    service = old_services(seen).get(entry)
    if service is None:
        return False
    listeners = [at for at in seen.listeners if int(at.address.rpartition(":")[2]) in ports]
    return bool(service.ports & set(ports)) or any(map(service.holds, listeners))


def noted_entries(seen: Seen) -> list[str]:
    """The entries that llmrack has noted on the host as replaced, sorted."""
    notes = [line.split() for line in sorted(seen.made)]
    return [words[1] for words in notes if words[0] == REPLACED and len(words) > 1]


def refusals(settings: Settings, seen: Seen) -> list[str]:
    """A reason for each service that could not be brought back."""
    services = old_services(seen)
    units = [entry for entry in services if not program_and_name(entry)[0]]
    return [
        f"{entry} was started with --rm: once it is stopped it is gone, and nothing could bring it "
        "back; name the unit that starts it in replaces, too, or stop it yourself"
        for entry in settings.replaces
        if entry in services and services[entry].vanishes and services[entry].runs and not units
    ]


def notes(settings: Settings, seen: Seen) -> list[str]:
    """A remark for each service that the host does not have."""
    return [
        f"replaces names {entry}, which is not on this host: nothing to do"
        for entry in settings.replaces
        if entry not in old_services(seen)
    ]
