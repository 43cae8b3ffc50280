"""A run begins once, whoever asks for it first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from pyinfra.api.exceptions import PyinfraError

from llmrack.deploy import start


class LookedAt:
    """In place of a Rack: whose look fails, as that of a host that does not answer."""

    has_instance_per_gpu = is_seen = False

    def __init__(self, run: object, pyinfra_host: object, purpose: object) -> None:
        self.run, self.host = run, SimpleNamespace(bundle=None)

    def look(self) -> None:
        raise PyinfraError


def test_hosts_are_in_one_run_although_reading_the_declaration_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Any] = []

    def begin(state: object) -> Any:
        begun.append(SimpleNamespace(racks={}, ready=Event()))
        gevent.sleep(0.01)
        return begun[-1]

    monkeypatch.setattr(start, "_start", begin)
    monkeypatch.setattr(start, "Rack", LookedAt)
    hosts = [SimpleNamespace(name=name) for name in ("box1", "box2")]
    state: Any = SimpleNamespace(inventory=SimpleNamespace(get_active_hosts=lambda: hosts))
    asked: list[Any] = [gevent.spawn(start.rack, state, host) for host in hosts]
    gevent.joinall(asked, raise_error=True, timeout=10)
    (run,) = begun
    assert [greenlet.value.run for greenlet in asked] == [run, run]
