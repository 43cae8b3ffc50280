"""Ten minutes of requests while gateway, engines and a provider fail and a deploy changes things:
every request that fails is explained by a fault that struck it.

Hosts: box1 (gateway), box2 and box3 (gpu); the cloud's stand-in. Half of the clients ask for a
model of the engines, the other half for one of the cloud, which the engines stand in for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import cycle

import pytest

from llmrack_lab.shell import wait_until
from tests.lab.bad_release import HOST, Gateway
from tests.lab.changes import OLLAMA
from tests.lab.faults.table import record
from tests.lab.load import Answer, Load
from tests.lab.serving import DEADLINE, MODEL, Serving, Window
from tests.lab.site import STACK, Site

HOSTS = {HOST: ("gateway",), "box2": ("gpu",), "box3": ("gpu",)}
CLOUD = "gpt-oss:20b-cloud"
SECONDS = 600
# Seconds that an engine or a provider is away.
AWAY = 8


@dataclass
class Struck:
    """A fault that was: ``whole`` if it may end any request, else streams that have begun alone."""

    name: str
    window: Window
    whole: bool

    def explains(self, answer: Answer) -> bool:
        """Whether it is why a request was lost."""
        is_clean = bool(answer.lost) and not answer.is_short
        return is_clean and self.window.explains(answer) and (self.whole or answer.is_broken_off)


@dataclass
class Faults:
    """What is done to the fleet of ``site``, and when."""

    site: Site
    serving: Serving
    struck: list[Struck] = field(default_factory=list)
    deploys: int = 0

    @contextmanager
    def _noted(self, name: str, whole: bool = False) -> Iterator[None]:
        began = time.time()
        yield
        self.struck.append(Struck(name, Window(began, time.time()), whole))

    def kill_gateway(self) -> None:
        """It is gone at once."""
        pid = self.serving.pid
        with self._noted("gateway killed", whole=True):
            self.serving.signal("KILL")
        self.serving.back_after(pid)

    def hang_gateway(self) -> None:
        """It answers nothing, until the watchdog ends it."""
        pid = self.serving.pid
        with self._noted("gateway hung", whole=True):
            self.serving.signal("STOP")
            self.serving.back_after(pid)

    def kill_engine(self) -> None:
        """An Ollama is gone at once, and started anew by systemd."""
        with self._noted("engine killed"):
            self.site.as_service("box2", f"systemctl --user kill -s KILL {OLLAMA}")

    def lose_engine(self) -> None:
        """A host says nothing more."""
        with self._noted("engine's host silent"):
            self.site.lab.lose("box3", HOST)
            try:
                self._wait()
            finally:
                self.site.lab.lose("box3")

    def fail_provider(self) -> None:
        """The cloud answers with errors, not at all, or breaks off."""
        for mode in ("500", "429", "hang", "cut", "refuse"):
            with self._noted(f"provider: {mode}"):
                self.site.fault("cloud", mode)
                self._wait()
                self.site.fault("cloud", "ok")

    def deploy(self) -> None:
        """Another configuration, and so another release of the gateway."""
        self.deploys += 1
        declare(self.site, 1000 + self.deploys)
        with self._noted("deploy"):
            self.site.deployed()

    def _wait(self) -> None:
        end = time.monotonic() + AWAY
        assert wait_until(lambda: time.monotonic() > end, DEADLINE)


def declare(site: Site, timeout: int) -> None:
    models = {MODEL: {"provider": "local", "timeout": timeout}, CLOUD: {"provider": "cloud"}}
    chains = {CLOUD: [MODEL]}
    site.declare(HOSTS, {"providers": STACK["providers"], "models": models, "chains": chains})


@pytest.fixture(scope="module")
def faults(module_site: Site, fresh: Callable[[str], None]) -> Faults:
    for name in HOSTS:
        fresh(name)
    declare(module_site, 1000)
    module_site.deployed()
    return Faults(module_site, Serving(Gateway(module_site)))


def loads(site: Site) -> list[AbstractContextManager[Load]]:
    return [Load(site, HOST, model, clients=4, rate=4) for model in (MODEL, CLOUD)]


@pytest.mark.timeout(2 * SECONDS)
def test_every_request_that_fails_is_explained_by_a_fault(faults: Faults) -> None:
    course: list[Callable[[], None]] = [
        faults.kill_gateway,
        faults.kill_engine,
        faults.deploy,
        faults.fail_provider,
        faults.lose_engine,
        faults.hang_gateway,
    ]
    # So that some streams have begun when they are struck.
    for host in ("box2", "box3"):
        faults.site.lab.fault(host, "slow", seconds=0.02)
    one, other = loads(faults.site)
    end = time.monotonic() + SECONDS
    with one as first, other as second:
        for number, fault in enumerate(cycle(course)):
            if number >= len(course) and time.monotonic() > end:
                break
            fault()
            for load in (first, second):
                load.wait_for(15)
    answers = [*first.answers, *second.answers]
    lost = [each for each in answers if each.lost]
    unexplained = [
        each for each in lost if not any(fault.explains(each) for fault in faults.struck)
    ]
    assert unexplained == []
    causes = Counter(
        next(fault.name for fault in faults.struck if fault.explains(each)) for each in lost
    )
    times = Counter(fault.name for fault in faults.struck)
    told = "; ".join(f"{times[name]}x {name}: {causes[name]}" for name in sorted(times))
    faults.site.settled()
    record(
        f"{SECONDS // 60} minutes of load through all of it",
        "every failed request was under way when its gateway, engine or provider was struck",
        f"{len(answers)} requests, {len(lost)} failed, 0 of them unexplained ({told})",
    )
