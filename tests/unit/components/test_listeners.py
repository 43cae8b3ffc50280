"""What a plan says of what listens."""

from __future__ import annotations

from llmrack.components.listeners import listeners
from llmrack.stack.fleet import Fleet
from tests.unit.declare import host, stack, two_boxes


def told(fleet: Fleet, number: int = 0) -> list[str]:
    return [str(entry) for entry in listeners(stack(), fleet, fleet.hosts[number])]


def test_an_engine_and_a_gateway_listen_where_they_are_bound() -> None:
    assert told(two_boxes()) == ["0.0.0.0:11434 (Ollama main)", "127.0.0.1:4000 (gateway)"]
    assert told(two_boxes(), 1) == ["0.0.0.0:11434 (Ollama main)"]


def test_each_instance_listens_on_a_port_of_its_own() -> None:
    instances = [{"name": "a", "gpus": []}, {"name": "b", "gpus": [], "port": 12000}]
    fleet = Fleet((host(ollama_instances=instances),))
    assert told(fleet)[:2] == ["127.0.0.1:11434 (Ollama a)", "127.0.0.1:12000 (Ollama b)"]


def test_an_exporter_listens_on_loopback_where_its_own_host_alone_asks() -> None:
    fleet = Fleet((host(groups=("monitor",)),))
    assert told(fleet) == ["127.0.0.1:9100 (node exporter)", "127.0.0.1:9090 (Prometheus)"]


def test_an_exporter_listens_on_every_address_where_another_host_asks() -> None:
    fleet = Fleet((host(groups=("monitor",)), host("box2", ("gpu",))))
    assert told(fleet, 1) == ["127.0.0.1:11434 (Ollama main)", "*:9100 (node exporter)"]


def test_an_address_of_ipv6_is_bracketed() -> None:
    fleet = Fleet((host(groups=("gateway",), gateway_bind="::"),))
    assert told(fleet) == ["[::]:4000 (gateway)"]
