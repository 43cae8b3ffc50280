"""Questions to hosts, mostly the gateways', all at once; nothing is changed there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import gevent
from pyinfra.api.config import Config
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State as PyinfraState

from llmrack.hosts.connect import connect
from llmrack.hosts.connection import CONNECT_DEADLINE, FAILURES, Unreached, reason
from llmrack.problems import nearest
from llmrack.site.declared import open_inventory, read
from llmrack.stack.fleet import Host

T = TypeVar("T")
# Seconds a host may take for everything that is asked there.
ANSWER_DEADLINE = 90


class NoProvider(Exception):
    """A provider that cannot be asked: cause and way out."""


class Gateways:
    """The gateways of an inventory.

    + declared: everything that is declared

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does.
    """

    def __init__(self, inventory: str, folder: Path, may_be_empty: str | None = None) -> None:
        found = open_inventory(inventory, folder)
        self.declared = read(found, folder, may_be_empty=may_be_empty)
        config = Config(CONNECT_TIMEOUT=CONNECT_DEADLINE)  # type: ignore[no-untyped-call]
        self._state = PyinfraState(found, config)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Their hosts, in the inventory's order."""
        return self.declared.fleet.gateways

    @property
    def standins(self) -> list[str]:
        """Names of those who answer in the place of the real ones (a lab's)."""
        named = (host.data.get("lab_standins") or () for host in self._state.inventory)
        return sorted({name for names in named for name in names})

    def insist_on_provider(self, name: str) -> None:
        """Raise NoProvider unless ``name`` is a provider in use."""
        providers = self.declared.stack.providers
        if name not in providers:
            raise NoProvider(f"there is no provider {name!r}; {nearest(name, providers)}")
        if not providers[name].enabled:
            raise NoProvider(f"provider {name!r} is not used; set providers.{name}.enabled to true")

    def ask(
        self,
        question: Callable[[Host, PyinfraHost], T],
        among: Sequence[Host] | None = None,
        patience: float = ANSWER_DEADLINE,
        keep: bool = False,
    ) -> dict[str, T | Unreached]:
        """What each host answers, by its name.

        + question: gets the host as declared, and connected
        + among: hosts of the inventory (default: the gateways')
        + patience: seconds for everything that is asked there
        + keep: leave the connections open, for the next question
        """
        spawn = self._state.pool.spawn
        asked = [
            (host.name, spawn(self._ask, host, question, patience, keep))
            for host in (self.hosts if among is None else among)
        ]
        return {name: greenlet.get() for name, greenlet in asked}

    def connect(self, host: Host) -> PyinfraHost:
        """A host of the inventory, connected; raises Unreached."""
        there = self._state.inventory.get_host(host.name)
        connect(there)
        return there

    def _ask(
        self, host: Host, question: Callable[[Host, PyinfraHost], T], patience: float, keep: bool
    ) -> T | Unreached:
        """The answer; or why there is none, returned since gevent prints what a greenlet raises."""
        answered = False
        there = self._state.inventory.get_host(host.name)
        try:
            self.connect(host)
            with gevent.Timeout(patience, Unreached(f"no answer within {patience:g} s")):
                answer = question(host, there)
            answered = True
            return answer
        except Unreached as error:
            return error
        except FAILURES as error:
            return Unreached(reason(error))
        finally:
            # What did not answer is connected anew next time.
            if there.connected and not (answered and keep):
                there.disconnect()
