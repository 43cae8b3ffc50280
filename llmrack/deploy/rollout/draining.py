"""An instance gets no new requests from any gateway while it is restarted.

The gateways are told by a file, and answer with another (shipped/gateway/routing/drain.py). What
is told holds for a minute, and is told again and again: when this run dies, it is forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import gevent
from pyinfra import logger

from llmrack.components.gateway.service import COLOURS, service
from llmrack.deploy.run.rack import Rack
from llmrack.hosts.commands import ended_after, run, sh
from llmrack.hosts.connect import connect
from llmrack.hosts.connection import Unreached
from llmrack.hosts.progress import say, signs_of_life
from llmrack.resources.change import as_user
from llmrack.resources.script import script_file
from llmrack.stack.deployments import deployments
from llmrack.stack.fleet import Fleet, Host
from llmrack.stack.schema import Stack

# Seconds for which it holds what a gateway is told, from one telling to the next, for one telling
# and for the answer; and until a gateway that answers nothing is taken for an older one.
HOLDS, AGAIN, ATTEMPT, PATIENCE = 60, 20, 30, 5
# Seconds a gateway gets to notice that an instance is well again.
WELL = 15
# What a gateway's process answers: how many requests run there, and whether it rests.
IDLE, AWAKE = "0 [a-z]*", "[0-9]* well"


def only_here(stack: Stack, fleet: Fleet, gateway: Host, instance: str) -> list[str]:
    """Public names that nobody answers while ``instance`` does not."""
    found = deployments(stack, fleet, gateway)
    here = {each.name for each in found if each.instance == instance}
    elsewhere = {each.name for each in found if each.instance != instance}
    return sorted(here - elsewhere - {n for n in here if elsewhere & set(stack.chain(n))})


@contextmanager
def drained(rack: Rack, instance: str) -> Iterator[None]:
    """No new requests for ``instance`` inside the ``with``, and none that still run.

    + rack: of its host
    + instance: as gateways call it

    A gateway that cannot be told is no obstacle: what it asks meanwhile, others answer.
    """
    stack, fleet = rack.run.declared.stack, rack.run.fleet
    names = {name for host in fleet.gateways for name in only_here(stack, fleet, host, instance)}
    if names:
        say(
            rack.pyinfra_host,
            f"{instance} alone serves {', '.join(sorted(names))}, so it is not drained",
        )
        yield
        return
    gateways = [_Gateway(rack, host, instance) for host in fleet.gateways]
    with _told(gateways):
        with signs_of_life(
            rack.pyinfra_host, f"{instance} gets no new requests; waiting for those that run"
        ):
            _all(each.wait_until_idle for each in gateways)
        yield
        _all(each.wait_until_awake for each in gateways)


@contextmanager
def _told(gateways: list[_Gateway]) -> Iterator[None]:
    """They are told again and again inside the ``with``, and in the end that it is over."""

    def tell() -> None:
        while True:
            gevent.sleep(AGAIN)
            _all(each.tell for each in gateways)

    teller = gevent.spawn(tell)
    try:
        yield
    finally:
        teller.kill()
        _all(each.end for each in gateways)


def _all(works: Iterable[Callable[[], None]]) -> None:
    gevent.joinall([gevent.spawn(work) for work in works], raise_error=True)


class _Gateway:
    """A gateway that is told of one instance; ``silent`` once it cannot be."""

    def __init__(self, rack: Rack, host: Host, instance: str) -> None:
        self._rack, self._host, self._instance = rack, host, instance
        self._name = quote(instance, safe="")
        self._there = rack.state.inventory.get_host(host.name)
        self._silent = False

    def wait_until_idle(self) -> None:
        """No request runs there any more; it is said when some still do."""
        seconds = self._host.settings.gateway_drain
        left = self._wait(IDLE, seconds)
        if left:
            self._say(f"the gateway on {self._host.name} still has {left} requests there")

    def wait_until_awake(self) -> None:
        """It knows that the instance is well again."""
        self._wait(AWAKE, WELL)

    def tell(self) -> None:
        """What was told holds for a while longer."""
        if not self._silent:
            self._script("")

    def end(self) -> None:
        """The instance is as any other again."""
        self._run(f'rm -f "$XDG_RUNTIME_DIR/llmrack/drain/{self._name}"')

    def _wait(self, wanted: str, seconds: float) -> str:
        """Until every process of the gateway answers so; the requests that run there, if any."""
        end = time.monotonic() + seconds
        while not self._silent:
            left = self._script(wanted)
            if left == "none":
                self._silence("it does not answer (a release that knows nothing of draining?)")
            if not left or time.monotonic() > end:
                return left
        return ""

    def _script(self, wanted: str) -> str:
        """Tell it, wait some seconds for an answer; what was answered if it is not ``wanted``."""
        words: list[str | int] = [self._name, HOLDS]
        if wanted:
            # A fifth of a second a try.
            words += [wanted, PATIENCE * 5, *map(service, COLOURS)]
        return self._run(script_file("deploy/tell-drained.sh", *words))

    def _run(self, script: str) -> str:
        """What a script prints as the service user; empty where there is no such user."""
        if self._silent and not self._there.connected:
            return ""
        user = self._host.settings.service_user
        script = f"id -u {user} >/dev/null 2>&1 || exit 0; {as_user(user, script)}"
        try:
            connect(self._there)
            answer = run(self._there, ended_after(ATTEMPT, sh(script)), deadline=ATTEMPT)
        except Unreached as error:
            self._silence(str(error))
            return ""
        if not answer.succeeded:
            self._silence(answer.stderr.strip() or answer.stdout.strip())
            return ""
        return answer.stdout.strip()

    def _silence(self, why: str) -> None:
        if not self._silent:
            self._say(f"the gateway on {self._host.name} is not told of it: {why}")
        self._silent = True

    def _say(self, text: str) -> None:
        self._rack.say(f"{self._instance} is restarted: {text}", logger.warning)
