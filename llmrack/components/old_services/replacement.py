"""llmrack's services take the place of somebody else's, and give it back.

Everything is fetched and written by then. One script on the host stops the old service, starts
llmrack's, and brings the old one back if that does not start: it comes to its end though the
connection is lost meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from shlex import quote
from typing import ClassVar

from llmrack.components.old_services.services import holds_port, noted_entries, old_services
from llmrack.resources.change import Action, Change, Resource, Shell, as_user
from llmrack.resources.look import Look, Seen
from llmrack.resources.script import script_file
from llmrack.stack.engines import instances
from llmrack.stack.fleet import GATEWAY_GROUP, Host
from llmrack.stack.old_services import program_and_name
from llmrack.stack.schema import Stack

# Seconds for each service: systemd kills one that does not end within 90.
STOPS, STARTS = 120, 30


@dataclass(frozen=True)
class Place:
    """Where services of llmrack listen on a host: the ports of its engine, that of its gateway.

    Each old service is replaced by the engine or by the gateway: by the gateway if it has the
    gateway's port, else by the engine, which comes first.
    """

    engine: frozenset[int]
    gateway: frozenset[int]

    def is_engines(self, seen: Seen, entry: str) -> bool:
        """Whether the engine replaces the service of ``entry``."""
        if not self.engine or holds_port(seen, entry, self.engine):
            return bool(self.engine)
        return not holds_port(seen, entry, self.gateway)


def place_of(stack: Stack, host: Host) -> Place:
    """The ports of ``host``."""
    settings = host.settings
    is_gateway = GATEWAY_GROUP in host.groups
    return Place(
        frozenset(instance.port for instance in instances(stack, host)),
        frozenset({settings.gateway_port} if is_gateway else ()),
    )


def kept_replaced(stack: Stack, host: Host) -> tuple[str, ...]:
    """The entries of ``replaces`` that hold: none where nothing of llmrack's serves."""
    place = place_of(stack, host)
    return host.settings.replaces if place.engine or place.gateway else ()


@dataclass(frozen=True)
class Successor:
    """What takes the place of old services: an engine, or the gateway.

    + title: its name for people
    + is_engine: whether it is an engine
    + units: its units of the service user's manager
    + resources: what starts them; the last action of their changes starts, those before it prepare
    + system_units: units of the system among them, such as a firewall rule that old clients would
      meet
    """

    title: str
    is_engine: bool
    units: tuple[str, ...]
    resources: tuple[Resource, ...]
    system_units: tuple[str, ...] = ()


def replacement(stack: Stack, host: Host, successor: Successor) -> list[Replacement]:
    """The replacement by ``successor`` on ``host``; none where ``replaces`` is empty."""
    entries = host.settings.replaces
    if not entries:
        return []
    return [Replacement(entries, place_of(stack, host), host.home.user, successor)]


@dataclass(frozen=True)
class Replacement:
    """The services that ``replaces`` names are stopped, and llmrack's started in their place.

    + entries: of ``replaces``
    + place: of the host
    + user: the service user
    """

    entries: tuple[str, ...]
    place: Place
    user: str
    successor: Successor

    @property
    def name(self) -> str:
        """As in ``Replacement by Ollama``."""
        return f"Replacement by {self.successor.title}"

    def look(self, look: Look) -> None:
        """Nothing: ``system.look`` asks for the services, ``listeners.look`` for the ports."""

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Stop them; start llmrack's units by the same script, unless one of them runs."""
        due = self._due(seen)
        if not due:
            return None
        services = old_services(seen)
        why = ", ".join(
            f"{entry} runs, and is stopped" if services[entry].runs else f"{entry} could start"
            for entry in due
        )
        stop, seconds = script_file("old_services/replace.sh", *due), STOPS * len(due)
        started = [] if self._serves(seen) else self._starts(seen, changed)
        if not started:
            return Change(self.name, why, (Shell(stop, timeout=seconds),))
        prepare = [action for change in started for action in change.actions[:-1]]
        starts = [change.actions[-1] for change in started]
        scripts = [start for start in starts if isinstance(start, Shell)]
        actions: tuple[Action, ...] = (
            *prepare,
            Shell(
                self._instead(stop, scripts, due),
                timeout=seconds
                + sum(script.timeout for script in scripts)
                + STARTS * len(due)
                + 60,
            ),
        )
        includes = tuple(change.resource for change in started)
        return Change(
            self.name, f"{why}; {', '.join(includes)} after it", actions, includes=includes
        )

    def _due(self, seen: Seen) -> tuple[str, ...]:
        """The entries to be stopped: units before containers, which units may start."""
        services = old_services(seen)
        due = [
            entry
            for entry in self.entries
            if entry in services
            and not services[entry].is_replaced
            and self.place.is_engines(seen, entry) == self.successor.is_engine
        ]
        return tuple(sorted(due, key=lambda entry: bool(program_and_name(entry)[0])))

    def _serves(self, seen: Seen) -> bool:
        states = (seen.units.get(unit) for unit in self.successor.units)
        return any(state and state.active == "active" for state in states)

    def _starts(self, seen: Seen, changed: Collection[str]) -> list[Change]:
        changes = (resource.change(seen, changed) for resource in self.successor.resources)
        return [change for change in changes if change and change.actions]

    def _instead(self, stop: str, starts: list[Shell], due: Collection[str]) -> str:
        units = " ".join(map(quote, self.successor.units))
        started = " && ".join(f"(\n{start.script}\n)" for start in starts)
        end = f"(\n{as_user(self.user, f'systemctl --user -q disable --now {units}')}\n)"
        for unit in self.successor.system_units:
            end += f"\nsystemctl -q disable --now {quote(unit)}"
        back = script_file("old_services/give-back.sh", *due)
        # Words to a connection that is lost shall not end it.
        return f"trap '' PIPE\n{stop} || exit 1\n{started} && exit 0\n{end}\n{back}\nexit 1"


@dataclass(frozen=True)
class NoLongerReplaced:
    """Services that llmrack has replaced, and that are not declared any more, are back.

    + entries: those that stay replaced
    """

    name: ClassVar[str] = "Services that are no longer replaced"
    entries: tuple[str, ...] = ()

    def look(self, look: Look) -> None:
        """The notes."""
        look.made = True

    def change(self, seen: Seen, changed: Collection[str]) -> Change | None:
        """Bring them back as they are noted."""
        gone = [entry for entry in noted_entries(seen) if entry not in self.entries]
        if not gone:
            return None
        script = script_file("old_services/no-longer-replace.sh", *gone)
        timeout = (STOPS + STARTS) * len(gone)
        return Change(
            self.name, f"to be as before: {', '.join(gone)}", (Shell(script, timeout=timeout),)
        )
