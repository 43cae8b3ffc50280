"""A swap of the gateway that nobody ends: the deploy is killed, or the power is cut.

Host: box1 (gpu, gateway).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llmrack.components.gateway.service import COLOURS, service
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.bad_release import HOST, Gateway
from tests.lab.faults.table import record
from tests.lab.load import lost
from tests.lab.site import Site, held


@pytest.fixture(scope="module")
def gateway(module_site: Site, fresh: Callable[[str], None]) -> Gateway:
    fresh(HOST)
    made = Gateway(module_site)
    made.deployed()
    return made


@pytest.mark.parametrize(
    ("step", "program", "word"),
    [
        ("gate", "systemd-run", "--wait"),
        ("start", "systemctl", "start"),
        ("switch", "systemctl", "enable"),
        ("end", "systemctl", "--no-block"),
    ],
)
def test_a_deploy_killed_in_the_middle_is_made_up_for_by_the_next(
    gateway: Gateway, step: str, program: str, word: str
) -> None:
    before = gateway.state()
    gateway.timeout += 1
    with gateway.load() as load:
        with held(gateway.site, HOST, program, word) as reached:
            gateway.killed_at(reached)
        gateway.deployed()
    assert gateway.state().release != before.release
    assert len(gateway.state().colours) == 1
    assert lost(load.answers) == {}
    gateway.site.settled()
    record(
        f"a deploy is killed in a swap of the gateway, at its {step}, under load",
        "one release serves; the next deploy makes the change",
        f"{len(load.answers)} requests, none lost",
    )


def test_a_power_cut_while_a_release_is_watched_brings_the_old_one_up(gateway: Gateway) -> None:
    before = gateway.state()
    gateway.timeout += 1
    host: Any = gateway.site.lab.host(HOST)

    def cut_while_both_run() -> bool:
        if set(gateway.state().colours) != set(COLOURS):
            return False
        host.power_cut()
        return True

    gateway.killed_at(cut_while_both_run)
    assert wait_until(lambda: gateway.state() == before, 120)
    gateway.deployed()
    assert gateway.state().release != before.release
    gateway.site.settled()
    record(
        "power cut while a new release is watched",
        "the old one comes up; the next deploy makes the change",
        "so it did",
    )


def test_what_a_killed_swap_left_is_put_right_by_the_next_run(gateway: Gateway) -> None:
    """Both run, the new one is not the current one yet: it was being watched."""
    before = gateway.state()
    (idle,) = set(COLOURS) - set(before.colours)
    gateway.on(f": >$XDG_RUNTIME_DIR/llmrack/gateway-{idle}.hold")
    gateway.on(f"systemctl --user start {service(idle)}")
    assert set(gateway.state().colours) == set(COLOURS)
    gateway.deployed()
    assert gateway.state() == before
    gateway.site.settled()


@pytest.fixture
def held_back(gateway: Gateway) -> Iterator[str]:
    """The idle colour, which runs and is held back by somebody who is gone."""
    (serving,) = gateway.state().colours
    (idle,) = set(COLOURS) - {serving}
    gateway.on(f": >$XDG_RUNTIME_DIR/llmrack/gateway-{idle}.hold")
    gateway.on(f"systemctl --user start {service(idle)}")
    yield serving
    gateway.deployed()


def test_a_release_that_nobody_releases_serves_by_itself_when_it_has_to(
    gateway: Gateway, held_back: str
) -> None:
    gateway.on(f"systemctl --user stop {service(held_back)}")
    site = gateway.site

    def answers() -> bool:
        url = f"http://{site.lab.host(HOST).address}:4000/health/liveliness"
        return bool(site.on(HOST, f"curl -fs -m 2 {url}", check=False))

    assert wait_until(answers, DEADLINE)
