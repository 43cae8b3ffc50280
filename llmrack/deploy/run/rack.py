"""A run and its hosts: what is declared for each, what was seen of it, what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gevent.event import Event
from gevent.lock import BoundedSemaphore
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State as PyinfraState

from llmrack.components import listeners
from llmrack.components.engine import ModelSeen
from llmrack.components.engines import architectures, models_folder, models_seen
from llmrack.components.gateway import gateway
from llmrack.components.gpu.gpu import with_seen_cards
from llmrack.components.gpu.gpus import Gpus, gpus
from llmrack.components.plan import COMPONENTS, plan_text
from llmrack.components.system import system
from llmrack.deploy.run.held import LAST_RUN, Lock
from llmrack.deploy.run.supply import Supply
from llmrack.deploy.run.turns import Turns
from llmrack.hosts.become_root import needs_sudo
from llmrack.hosts.connect import tune
from llmrack.hosts.progress import say
from llmrack.hosts.snapshot import Snapshot
from llmrack.problems import DeclarationError
from llmrack.resources.change import Change, Resource, plan
from llmrack.resources.files import File
from llmrack.resources.look import Look, Seen, parse
from llmrack.resources.packages import ARCHITECTURES
from llmrack.site.known_cards import remember_cards
from llmrack.site.site import Site
from llmrack.stack.engines import is_engine
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.home import Home


@dataclass(frozen=True)
class Purpose:
    """What a run is for: a deploy, or a removal.

    + resources: what a host shall have by component, for an architecture and for a host whose
      systemd has credentials or not
    + refusals: why nothing may be changed on a host; empty when all is well
    + notes: what should be known of an accepted host
    """

    resources: Callable[[Rack, str, bool], dict[str, list[Resource]]]
    refusals: Callable[[Rack], list[str]]
    notes: Callable[[Rack], list[str]]


class Run:
    """One run of deploy.py, verify.py or remove.py: what all of its hosts share.

    + nonce: random, in hex; salts what hosts tell of secrets
    + folder: of the inventory
    + racks: by the name of the host
    + changed: names of the hosts that this run changes
    + last_runs: by the name of the host, who had changed it when this run first looked
    + locked: names of the hosts that it may not change, as another run has their lock
    + local_files: for files to be sent (path and declared SHA-256), why not, or an empty text
    + fleet: the hosts with their cards, as far as they are known
    + edition: counts up when the fleet changes, and with it what hosts shall have
    + ready: set once the cards that instances depend on have been looked at
    + reboots: held while a host restarts, so that one does at a time
    """

    def __init__(self, declared: Site, nonce: str, folder: Path) -> None:
        self.declared = declared
        self.nonce = nonce
        self.folder = folder
        self.racks: dict[str, Rack] = {}
        self.changed: set[str] = set()
        self.last_runs: dict[str, str] = {}
        self.locked: list[str] = []
        self.supply = Supply()
        self.turns = Turns()
        self.local_files: dict[tuple[str, str], str] = {}
        self.ready = Event()
        self.reboots = BoundedSemaphore()
        self.fleet = declared.fleet
        self.edition = 0

    def note_cards(self, new: Host) -> None:
        """Note what follows from the cards of a host: its instances, its release."""
        old = next(host for host in self.fleet.hosts if host.name == new.name)
        if new == old:
            return
        self.fleet = Fleet(tuple(new if host is old else host for host in self.fleet.hosts))
        self.edition += 1
        self.__dict__.pop("digest", None)
        try:
            remember_cards(new, self.folder)
        except DeclarationError as error:
            logger.warning(f"the cards of {new.name} are not kept for the next run: {error}")

    @cached_property
    def digest(self) -> str:
        """Digest of the stack and of every host's plan: what a recorded proof is a proof of."""
        site = self.declared.with_fleet(self.fleet)
        plans = [site.stack.model_dump_json()]
        plans += [plan_text(site, host, files=True) for host in site.fleet.hosts]
        return hashlib.sha256("".join(plans).encode()).hexdigest()


class Rack:
    """A host of a run.

    + refused: whether it may not be changed
    + lock: the host's lock, once this run has taken it
    """

    def __init__(self, run: Run, host: PyinfraHost, purpose: Purpose) -> None:
        self.run = run
        self.pyinfra_host = host
        self.purpose = purpose
        self.sudo = needs_sudo(host)
        self.refused = False
        self.lock: Lock | None = None
        self._seen: Seen | None = None
        self._seen_in_execute = False
        self._seen_edition = -1
        self._changes: Mapping[str, list[Change]] | None = None
        self._resources: dict[tuple[str, bool, int], dict[str, list[Resource]]] = {}
        self._brought: dict[str, ModelSeen] = {}
        tune(host)

    def say(self, text: str, log: Callable[[str], None] = logger.info) -> None:
        """Print a line about the host."""
        say(self.pyinfra_host, text, log)

    @property
    def state(self) -> PyinfraState:
        """Pyinfra's state of the run."""
        return self.pyinfra_host.state

    @property
    def host(self) -> Host:
        """What is declared for the host, with its cards as far as they are known."""
        return next(host for host in self.run.fleet.hosts if host.name == self.pyinfra_host.name)

    @property
    def home(self) -> Home:
        """The service user's folders."""
        return self.host.home

    @property
    def models_folder(self) -> str:
        """The models directory, an absolute path on the host."""
        return models_folder(self.host)

    @property
    def is_engine(self) -> bool:
        """Whether an engine runs there."""
        return is_engine(self.run.declared.stack, self.host)

    @property
    def has_instance_per_gpu(self) -> bool:
        """Whether what runs here follows from the cards that are here."""
        return self.host.settings.instances_follow_cards and self.is_engine

    @property
    def proof(self) -> File:
        """The mark of a passed verification, and of what it was about."""
        content = f"{self.run.digest}\n"
        return File(f"{self.home.config}/proven", content, self.home.user, 0o600)

    def resources(self, arch: str) -> dict[str, list[Resource]]:
        """Everything the host shall have, by component."""
        known = architectures(self.host)
        if arch not in known:
            # Such a host is refused; until then it is planned for like any other.
            arch = known[0]
        # A host that was not seen yet is taken for a current one.
        credentials = self._seen is None or gateway.has_credentials(self.systemd)
        key = arch, credentials, self.run.edition
        if key not in self._resources:
            self._resources[key] = self.purpose.resources(self, arch, credentials)
        return self._resources[key]

    def look(self) -> Seen:
        """Look at the host, unless what was seen of it still holds.

        It is looked at once; once more when a plan has waited for a person's word, and whenever
        the fleet's cards turn out to be others than those it was looked at for. Raises
        PyinfraError when it does not answer.
        """
        if self.state.is_executing and not self._seen_in_execute and self.state.check_for_changes:
            self._seen = None
        while self._seen is None or self._seen_edition != self.run.edition:
            edition = self.run.edition
            self._seen = self._take_snapshot()
            self._seen_edition = edition
            self._seen_in_execute = self.state.is_executing
            self._changes = None
            if self.is_engine:
                self.run.note_cards(with_seen_cards(self.host, self._seen))
        return self._seen

    def forget(self) -> None:
        """The host is another one now: the next ``look`` looks again."""
        self._seen_edition = -1

    @property
    def is_seen(self) -> bool:
        """Whether the host has answered a look."""
        return self._seen is not None

    @property
    def seen(self) -> Seen:
        """What the last look saw."""
        if self._seen is None:
            raise PyinfraError(f"{self.host.name} was not looked at")
        return self._seen

    def _take_snapshot(self) -> Seen:
        settings = self.host.settings
        look = Look()
        system.look(self.run.declared.stack, self.host, look)
        listeners.look(self.run.declared.stack, self.run.fleet, self.host, look)
        # Until the host has said what it is, its architecture is not known: all that are pinned.
        for arch in architectures(self.host):
            for resources in self.resources(arch).values():
                for resource in resources:
                    resource.look(look)
        self.proof.look(look)
        look.notes.add(LAST_RUN)
        try:
            lines = self.pyinfra_host.get_fact(
                Snapshot, look=look, nonce=self.run.nonce, _sudo=self.sudo
            )
            seen = parse(lines, look, settings.keep_edits)
            self.run.last_runs.setdefault(self.host.name, seen.notes.get(LAST_RUN, ""))
            return seen
        except EOFError:
            raise PyinfraError(f"{self.host.name}: the connection to it broke") from None
        except ValueError as error:
            raise PyinfraError(f"{self.host.name}: {error}") from None

    @property
    def gpus(self) -> Gpus:
        """The host's GPUs."""
        return gpus(self.seen, self.host.settings)

    @property
    def arch(self) -> str:
        """The host's architecture as releases name it."""
        return ARCHITECTURES.get(self.seen.fact("arch"), "")

    @property
    def systemd(self) -> int:
        """The version of the host's systemd; 0 where it has none."""
        return int(self.seen.fact("systemd") or 0)

    @property
    def models(self) -> Mapping[str, ModelSeen]:
        """The models that are known to be there by name, from what was seen and what was done."""
        return {**(models_seen(self._seen) if self._seen else {}), **self._brought}

    def note_model(self, name: str) -> None:
        """Note that this run has brought a model here."""
        self._brought[name] = ModelSeen("")

    @property
    def changes(self) -> Mapping[str, list[Change]]:
        """What differs, by component."""
        if self._changes is None:
            by_component = self.resources(self.arch)
            everything = [resource for part in by_component.values() for resource in part]
            changes = plan(everything, self.seen)
            names = {part: {r.name for r in found} for part, found in by_component.items()}
            self._changes = {
                part: [change for change in changes if change.resource in names[part]]
                for part in COMPONENTS
            }
        return self._changes

    @property
    def all_changes(self) -> list[Change]:
        """What differs, of all components in their order."""
        return [change for part in self.changes.values() for change in part]
