"""Runs drills on the live fleet: breaks, asks and restores one instance after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from llmrack.drills.asking import Asker
from llmrack.drills.breakage import SWITCH, Breakage, breakage
from llmrack.drills.plan import Drill, Plan, plan
from llmrack.hosts.asking import Gateways
from llmrack.hosts.commands import ended_after, run, sh
from llmrack.hosts.connection import Unreached
from llmrack.hosts.interrupts import Interrupts
from llmrack.hosts.tunnel import http_client
from llmrack.secrets.places import MASTER_KEY
from llmrack.stack.fleet import Host, gateway_url
from llmrack.verify.results import Report, Result, one_line

# Seconds that a host may take for a script: a unit that starts may wait two minutes for its card.
SCRIPT_DEADLINE = 180
# Seconds beyond the requests until a host restores an instance by itself: an instance may take some
# to stop.
SPARE = 20.0


class NotDrilled(Exception):
    """An instance was not broken, or is not well again: cause and way out."""


class LiveFleet:
    """The hosts of an inventory, and their drills.

    + plans: the drills of each gateway

    Raises FileNotFoundError and DeclarationError, as ``read_inventory`` does, Unreached.
    """

    def __init__(self, inventory: str, folder: Path, limit: str | None) -> None:
        self._gateways = Gateways(inventory, folder)
        self.declared = self._gateways.declared
        stack, fleet = self.declared.stack, self.declared.fleet
        names = {host.name for host in fleet.hosts} | fleet.groups
        if limit and limit not in names:
            raise FileNotFoundError(
                f"--limit leaves no host; the inventory has {', '.join(sorted(names))}"
            )
        self.plans = [plan(stack, fleet, gateway, limit) for gateway in fleet.gateways]
        self._interrupts = Interrupts()

    @property
    def standins(self) -> list[str]:
        """Names of a lab's stand-ins for real servers."""
        return self._gateways.standins

    def drill(self, tell: Callable[[str], None]) -> Report:
        """Run every drill, until an instance is not well.

        + tell: is called with a text before each step

        A broken instance is also restored if an error or an interrupt ends the drill.
        """
        started, results, not_run = datetime.now(UTC), list[Result](), list[str]()
        with self._interrupts:
            for gateway_plan in self.plans:
                try:
                    for result in self._through(gateway_plan, tell):
                        results.append(result)
                except NotDrilled as reason:
                    not_run.append(f"{gateway_plan.gateway.name}: {reason}")
                    break
        return Report(tuple(results), started, tuple(not_run))

    def _through(self, gateway_plan: Plan, tell: Callable[[str], None]) -> Iterator[Result]:
        stack, name = self.declared.stack, gateway_plan.gateway.name
        if not gateway_plan.drills:
            return
        for drill in gateway_plan.drills:
            self._run(drill.at, breakage(drill).check, f"{drill.title} is not possible")
        with http_client(
            self._gateways.connect(gateway_plan.gateway), gateway_url(gateway_plan.gateway)
        ) as client:
            asker = Asker(client, self.declared.secrets[MASTER_KEY], stack, name)
            tell(f"{name}: asking everybody while all is well")
            failed = asker.before(gateway_plan.drills)
            yield from failed
            if failed:
                raise NotDrilled("not everybody is well; mend that, then drill again")
            for drill in gateway_plan.drills:
                yield from self._one(drill, asker, tell)

    def _one(self, drill: Drill, asker: Asker, tell: Callable[[str], None]) -> Iterator[Result]:
        seconds = sum(asker.allowed(asked) for asked in drill.asked) + SPARE
        with self._broken(drill, breakage(drill), seconds):
            tell(
                f"{drill.gateway.name}: {drill.instance} is {drill.cause}; {drill.at.name} would "
                f"restore it by itself after {seconds:.0f} s"
            )
            for asked in drill.asked:
                yield from asker.lost(drill, asked)
        restored = time.monotonic()
        tell(f"{drill.gateway.name}: {drill.instance} is restored; waiting until it is used")
        for asked in drill.asked:
            yield asker.back(drill, asked, restored)
        unwell = asker.by_itself(drill)
        yield from unwell
        if unwell:
            raise NotDrilled(f"{drill.instance} does not serve again, so nothing more was broken")

    @contextmanager
    def _broken(self, drill: Drill, broken: Breakage, seconds: float) -> Iterator[None]:
        """Break an instance in the ``with``; the host itself restores it after ``seconds``."""
        failure = f"{drill.instance} was not broken"
        self._run(drill.at, broken.arm(seconds), failure)
        try:
            self._run(drill.at, broken.begin, failure)
            yield
        finally:
            # A second interrupt must not prevent this.
            with self._interrupts.held():
                self._run(
                    drill.at,
                    broken.restore,
                    f"{drill.instance} could not be restored from here; {drill.at.name} does it "
                    f"by itself within {seconds:.0f} s (`systemctl status {SWITCH}.timer`)",
                )

    def _run(self, host: Host, script: str, failure: str) -> None:
        """Run a script as root. Raises NotDrilled with ``failure`` and what was printed."""
        try:
            connected = self._gateways.connect(host)
            answer = run(connected, ended_after(SCRIPT_DEADLINE, sh(script)))
        except Unreached as error:
            raise NotDrilled(f"{failure}: {host.name}: {error}") from None
        if not answer.succeeded:
            words = one_line(" ".join(answer.last_lines(3)))
            raise NotDrilled(f"{failure}: {host.name} says: {words}")
