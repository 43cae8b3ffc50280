"""Which host is meant by a word of the command line, and how it is reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyinfra.api.config import Config
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State as PyinfraState

from llmrack.hosts.become_root import PASSWORDS
from llmrack.hosts.connection import CONNECT_DEADLINE
from llmrack.problems import unusable
from llmrack.site.declared import LOCAL, open_inventory

# [USER@]NAME, as ssh takes it; an IPv6 address, too.
_DESTINATION = re.compile(r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<name>[A-Za-z0-9_:][A-Za-z0-9._:-]*)")
_FILE_ENDINGS = (".yaml", ".yml", ".json", ".toml", ".py", ".env")


@dataclass(frozen=True)
class Target:
    """A host to look at.

    + host: not connected yet
    + data: how pyinfra reaches it, without passwords
    + left_out: names of what the inventory has of it beside, as for becoming root
    + inventory: the file that has it; empty if none does
    """

    host: PyinfraHost
    data: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    inventory: str = ""

    @property
    def name(self) -> str:
        """As inventories and messages have it."""
        return str(self.host.name)


def find_target(word: str, inventory: str, folder: Path) -> Target:
    """The host called ``word`` in the inventory, or the one that ssh knows by this name.

    + word: a host of the inventory, ``@local``, or ``[USER@]NAME``
    + inventory: a file; empty for none

    Raises FileNotFoundError and DeclarationError.
    """
    if inventory:
        hosts = open_inventory(inventory, folder)
        if host := hosts.get_host(word, default=None):
            data: dict[str, Any] = host.data.dict()  # type: ignore[no-untyped-call]
            ways = {n: v for n, v in data.items() if n.startswith("ssh_") and n not in PASSWORDS}
            beside = sorted(n for n in data if n.startswith("_") or n in PASSWORDS)
            return Target(_with_state(hosts, word), ways, tuple(beside), inventory)
    if word == LOCAL:
        return Target(_with_state(open_inventory(LOCAL, folder), LOCAL))
    match = _DESTINATION.fullmatch(word)
    if match is None or word.endswith(_FILE_ENDINGS):
        known = f", and no host of {inventory}" if inventory else ""
        raise unusable(
            word,
            f"is no file{known}, and no name that ssh could know",
            "name the config.yaml of a LiteLLM proxy, or a host as in box1 or root@192.168.1.21",
        )
    login = {"ssh_user": match["user"]} if match["user"] else {}
    hosts = Inventory(([(match["name"], login)], {}))  # type: ignore[no-untyped-call]
    return Target(_with_state(hosts, match["name"]), login)


def _with_state(hosts: Inventory, name: str) -> PyinfraHost:
    PyinfraState(hosts, Config(CONNECT_TIMEOUT=CONNECT_DEADLINE))  # type: ignore[no-untyped-call]
    return hosts.get_host(name)
