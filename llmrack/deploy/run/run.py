"""What all hosts of a run share: the declaration, their racks, and the cards they have."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gevent.event import Event

from llmrack.components.plan import plan_text
from llmrack.deploy.rollout.rollout import Rollout
from llmrack.deploy.transfer.model_sources import Supply
from llmrack.site.declared import Declared
from llmrack.site.known_cards import remember_cards
from llmrack.stack.fleet import Fleet

if TYPE_CHECKING:
    from llmrack.deploy.run.rack import Rack


class Run:
    """One run of deploy.py or verify.py.

    + racks: by the name of the host
    + changed: names of the hosts that this run changes
    + last_runs: by the name of the host, who had changed it when this run first looked
    + locked: names of the hosts that it may not change, as another run has their lock
    + local_files: for files to be sent (path and declared SHA-256), why not, or an empty text
    + fleet: the hosts with their cards, as far as they are known
    + edition: counts up when the fleet changes, and with it what hosts shall have
    + ready: set once the cards that instances depend on have been looked at
    """

    def __init__(self, declared: Declared, nonce: str, folder: Path) -> None:
        self.declared = declared
        self.nonce = nonce
        self.folder = folder
        self.changed: set[str] = set()
        self.last_runs: dict[str, str] = {}
        self.locked: list[str] = []
        self.racks: dict[str, Rack] = {}
        self.supply = Supply()
        self.rollout = Rollout()
        self.local_files: dict[tuple[str, str], str] = {}
        self.ready = Event()
        self.fleet = declared.fleet
        self.edition = 0

    def has_cards(self, name: str, uuids: tuple[str, ...]) -> None:
        """Note the cards of a host whose instances follow from them."""
        hosts = [
            replace(host, gpus=uuids) if host.name == name else host for host in self.fleet.hosts
        ]
        if hosts == list(self.fleet.hosts):
            return
        self.fleet = Fleet(tuple(hosts))
        self.edition += 1
        self.__dict__.pop("digest", None)
        remember_cards(self.fleet, self.folder)

    @cached_property
    def digest(self) -> str:
        """Digest of the stack and of every host's plan: what a recorded proof is a proof of."""
        site = self.declared.with_fleet(self.fleet)
        plans = [site.stack.model_dump_json()]
        plans += [plan_text(site, host, files=True) for host in site.fleet.hosts]
        return hashlib.sha256("".join(plans).encode()).hexdigest()
