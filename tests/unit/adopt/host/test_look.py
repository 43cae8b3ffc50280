"""The look at a host, with answers that are made up here."""

from __future__ import annotations

import json

import pytest
from pyinfra.connectors.util import CommandOutput, OutputLine

from llmrack.adopt.host import look
from llmrack.adopt.host.seen import HostSeen
from llmrack.hosts.commands import Answer
from llmrack.hosts.connection import Unreached
from llmrack.resources.look import TAG
from tests.unit.adopt.host.looks import ollama
from tests.unit.fake_host import Ran, fake_host

FACTS = {
    "arch": "x86_64",
    "pid1": "systemd",
    "uid": "0",
    "systemd": "252",
    "os": "debian",
    "os_version": "12",
    "python": "3.11",
    "apt": "yes",
}


def looked(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, str], answer: Ran, *lines: str
) -> HostSeen:
    """What the look returns."""
    host = fake_host(lambda *_, **__: answer)
    told = [f"fact\t{name}\t{value}" for name, value in facts.items()]
    host.get_fact = lambda *_, **__: [*told, *lines, TAG]
    host.disconnect = lambda: ended.append(host.name)
    ended: list[str] = []
    monkeypatch.setattr(look, "connect", lambda _: None)
    monkeypatch.setattr(look, "run", lambda *_: Answer(*answer))
    try:
        return look.look_at(host)
    finally:
        assert ended == ["box1"]


def printed(text: str, buffer: str = "stdout") -> CommandOutput:
    return CommandOutput([OutputLine(buffer, line) for line in text.splitlines()])


def test_a_look_joins_what_the_host_and_its_servers_are(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = json.dumps({"servers": [ollama()]})
    seen = looked(
        monkeypatch, FACTS, (True, printed(answer)), "note\t/var/lib/llmrack/version\t0.2.0"
    )
    assert seen.system == "Debian 12, x86_64"
    assert seen.llmrack == "0.2.0"
    assert seen.refusals == ()
    assert [server.label for server in seen.servers] == ["ollama.service"]


def test_what_a_deploy_would_refuse_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (True, printed('{"servers": []}'))
    seen = looked(monkeypatch, FACTS | {"os": "fedora", "apt": ""}, answer)
    assert seen.refusals[0].startswith("it has no apt-get: ")


def test_a_host_without_python_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreached, match="it has no python3, which the look needs: install it"):
        looked(monkeypatch, FACTS | {"python": ""}, (True, printed("")))


def test_a_look_that_fails_names_the_cause_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = "Traceback (most recent call last):\n  File x\nPermissionError: no"
    with pytest.raises(Unreached, match=r"^it cannot be looked at: PermissionError: no$"):
        looked(monkeypatch, FACTS, (False, printed(trace, "stderr")))
