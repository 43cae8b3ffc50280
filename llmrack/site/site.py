"""The site: everything that is declared, read together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from llmrack.secrets.places import MASTER_KEY, Places
from llmrack.secrets.value import Secret, StoredSecret
from llmrack.site.client_keys import ExtraKey, client_keys
from llmrack.stack.declaration import Declaration
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.keys import IssuedKey
from llmrack.stack.schema import Stack


@dataclass(frozen=True)
class Site:
    """Everything that is declared, checked.

    + declaration: the stack and the hosts, with the places to name in messages
    + kept: the secrets that have a value, by name, with their sources
    + places: where secrets may be kept
    + keys_file: the file that notes the issued keys of clients
    """

    declaration: Declaration
    kept: Mapping[str, StoredSecret]
    places: Places
    keys_file: Path

    @property
    def stack(self) -> Stack:
        """What ``stack.yaml`` declares."""
        return self.declaration.stack

    @property
    def fleet(self) -> Fleet:
        """The hosts of the inventory, with their settings."""
        return self.declaration.fleet

    @property
    def issued(self) -> Mapping[str, IssuedKey]:
        """The keys of clients that were issued, by name."""
        return self.declaration.issued

    @cached_property
    def secrets(self) -> dict[str, Secret]:
        """The values of the secrets, by name."""
        return {name: kept.secret for name, kept in self.kept.items()}

    @cached_property
    def client_keys(self) -> str:
        """The gateways' ``keys.json``."""
        master = self.kept.get(MASTER_KEY)
        extra = []
        if master and master.accepted:
            extra.append(ExtraKey("previous master", *master.accepted))
        return client_keys(self.stack, self.issued, extra)

    def host(self, name: str) -> Host:
        """The host called ``name``. Raises KeyError if the inventory has none."""
        for host in self.fleet.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def with_fleet(self, fleet: Fleet) -> Site:
        """The same site with another fleet, such as one whose cards are known."""
        return replace(self, declaration=replace(self.declaration, fleet=fleet))
