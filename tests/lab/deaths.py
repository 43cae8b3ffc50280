"""Ways in which an instance dies while its gateway is under load, and is brought back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from llmrack_lab.shell import wait_until
from tests.lab.changes import ENGINES, GATEWAY, OLLAMA, Changes
from tests.lab.load import Answer
from tests.lab.site import Site

CLIENTS = 32
VICTIM = ENGINES[0]
# Seconds from one token to the next, so that some streams have begun when their instance dies.
PACE = 0.02
# Seconds until the gateway asks an instance again that is there again.
RECOVERY = 60
# Seconds that all of the requests may take.
PATIENCE = 600


@contextmanager
def killed_engine(site: Site) -> Iterator[None]:
    """``kill -9`` of Ollama: its host tells everybody at once."""
    ctl = "systemctl --user"
    site.as_service(VICTIM, f"{ctl} kill -s KILL {OLLAMA}; {ctl} stop {OLLAMA}")
    try:
        yield
    finally:
        site.as_service(VICTIM, f"{ctl} start {OLLAMA}")


@contextmanager
def cut_power(site: Site) -> Iterator[None]:
    """The host is gone without a word."""
    # Its network is the kernel's of this machine, which would still speak for it.
    site.lab.lose(VICTIM, GATEWAY)
    host = site.lab.host(VICTIM)
    host.kill()
    try:
        yield
    finally:
        host.boot()
        host.wait_ready()


DEATHS: dict[str, Callable[[Site], AbstractContextManager[None]]] = {
    "engine killed": killed_engine,
    "power cut": cut_power,
}


def death_under_load(changes: Changes, death: str, requests: int) -> list[Answer]:
    """At least so many requests, during which an instance dies, is brought back, and answers."""
    lab = changes.site.lab
    for engine in ENGINES:
        lab.fault(engine, "slow", seconds=PACE)
    with changes.load(clients=CLIENTS, rate=0) as load:
        load.wait_for(requests // 5, PATIENCE)
        with DEATHS[death](changes.site):
            load.wait_for(requests // 2, PATIENCE)
        back = time.time()
        assert wait_until(
            lambda: any(each.by == VICTIM and each.at > back for each in load.so_far), RECOVERY
        ), f"{VICTIM} is not asked again"
        load.wait_for(requests - len(load.so_far), PATIENCE)
    for engine in ENGINES:
        lab.fault(engine, "ok")
    return load.answers
