"""When a host is looked at, and when what was seen still holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from llmrack.deploy.run.rack import Rack
from llmrack.resources.look import Seen
from tests.unit.declare import host
from tests.unit.fake_host import fake_host

BOX = host("box1", ("gateway",))


class Looks:
    """A rack whose snapshots are taken note of; ``fails``: the host does not answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken, self.fails = 0, False
        monkeypatch.setattr(Rack, "_take_snapshot", lambda _: self.take())
        fleet = SimpleNamespace(hosts=[BOX])
        declared = SimpleNamespace(stack=SimpleNamespace(providers={}))
        self.run: Any = SimpleNamespace(edition=0, fleet=fleet, declared=declared)
        purpose: Any = None
        self.rack = Rack(self.run, fake_host(), purpose)

    def take(self) -> Seen:
        self.taken += 1
        if self.fails:
            raise PyinfraError("box1 does not answer")
        return Seen()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


def test_a_host_is_looked_at_once(looks: Looks) -> None:
    assert looks.rack.look() is looks.rack.look()
    assert looks.taken == 1


def test_a_host_is_looked_at_again_when_cards_turn_out_to_be_others(looks: Looks) -> None:
    looks.rack.look()
    looks.run.edition = 1
    looks.rack.look()
    assert looks.taken == 2


def test_a_host_is_looked_at_again_once_what_was_seen_is_forgotten(looks: Looks) -> None:
    looks.rack.look()
    looks.rack.forget()
    looks.rack.look()
    assert looks.taken == 2


def test_a_look_that_failed_leaves_nothing_to_go_by(looks: Looks) -> None:
    looks.rack.look()
    looks.rack.forget()
    looks.fails = True
    for _ in range(2):
        with pytest.raises(PyinfraError, match="does not answer"):
            looks.rack.look()


def test_a_host_that_was_not_looked_at_has_nothing_seen(looks: Looks) -> None:
    with pytest.raises(PyinfraError, match="box1 was not looked at"):
        _ = looks.rack.seen
