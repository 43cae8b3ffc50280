"""Where an Ollama listens, and who is cut off."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.adopt.host.addresses import parsed, settings_of
from llmrack.adopt.notes import Notes
from tests.unit.adopt.host.looks import boxed, host, ollama


def listens(server: dict[str, Any]) -> tuple[dict[str, Any], Notes]:
    notes = Notes("box1", {})
    return settings_of(host(server).servers[0], notes), notes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("127.0.0.1", 11434)),
        ("0.0.0.0", ("0.0.0.0", 11434)),
        ("0.0.0.0:8080", ("0.0.0.0", 8080)),
        (":8080", ("0.0.0.0", 8080)),
        ("localhost:1234", ("127.0.0.1", 1234)),
        ("http://0.0.0.0", ("0.0.0.0", 80)),
        ("https://0.0.0.0", ("0.0.0.0", 443)),
        ("http://192.168.1.5:11434/ollama", ("192.168.1.5", 11434)),
        ("[::]:11434", ("::", 11434)),
        ("[::1]", ("::1", 11434)),
        ("0.0.0.0:99999", ("0.0.0.0", 11434)),
        ('"0.0.0.0:8080"', ("0.0.0.0", 8080)),
        ("box1.lan", ("box1.lan", 11434)),
    ],
)
def test_ollama_host_is_read_as_ollama_does(text: str, expected: tuple[str, int]) -> None:
    assert parsed(text) == expected


def test_loopback_is_the_default_and_cuts_nobody_off() -> None:
    assert listens(ollama())[0] == {}
    settings, notes = listens(ollama(environment={"OLLAMA_HOST": "127.0.0.1:8080"}))
    assert settings == {"ollama_port": 8080}
    assert notes.printed() == [
        "box1: ollama.service.OLLAMA_HOST: ollama_bind '127.0.0.1', ollama_port 8080"
    ]


def test_an_open_port_stays_declared_and_the_guard_is_named() -> None:
    settings, notes = listens(ollama(environment={"OLLAMA_HOST": "0.0.0.0"}))
    assert settings == {"ollama_bind": "0.0.0.0"}
    assert "ollama_guard lets only gateways in" in notes.printed()[1]
    assert notes.is_whole


def test_who_uses_an_open_port_is_named_as_cut_off() -> None:
    callers = [
        {"address": "10.0.0.5", "connections": 1},
        {"address": "172.18.0.5", "connections": 1, "container": "open-webui"},
        {"address": "127.0.0.1", "connections": 1, "pid": 7, "program": "python3"},
        {"address": "127.0.0.1", "connections": 1},
    ]
    _, notes = listens(ollama(environment={"OLLAMA_HOST": "0.0.0.0"}, callers=callers))
    assert not notes.is_whole
    assert "not 10.0.0.5, open-webui; let them ask the gateway" in notes.printed()[1]


def test_a_port_that_needs_root_and_a_name_are_lost() -> None:
    settings, notes = listens(ollama(environment={"OLLAMA_HOST": "http://0.0.0.0"}))
    assert settings == {"ollama_bind": "0.0.0.0"}
    assert "port 80 needs root" in "\n".join(notes.printed())
    settings, notes = listens(ollama(environment={"OLLAMA_HOST": "box1.lan:8080"}))
    assert settings == {"ollama_port": 8080}
    assert not notes.is_whole


def test_of_a_container_the_published_port_counts() -> None:
    settings, notes = listens(boxed({"published": [[9, "", 9], [11434, "127.0.0.1", 11500]]}))
    assert settings == {"ollama_port": 11500}
    assert notes.is_whole
    settings, _ = listens(boxed({"published": [[11434, "0.0.0.0", 11434]]}))
    assert settings == {"ollama_bind": "0.0.0.0"}


def test_a_container_on_the_network_of_its_host_is_where_it_says() -> None:
    settings, _ = listens(
        boxed({"is_on_host_network": True}, environment={"OLLAMA_HOST": "127.0.0.1:9000"})
    )
    assert settings == {"ollama_port": 9000}


def test_a_container_without_a_published_port_is_lost_to_other_containers() -> None:
    settings, notes = listens(boxed({"published": []}))
    assert settings == {}
    assert not notes.is_whole
    assert "let them ask the gateway" in notes.printed()[-1]
