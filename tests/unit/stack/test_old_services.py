"""The setting ``replaces``: what it names, and the one error of what it may not name."""

from __future__ import annotations

import pytest

from llmrack.problems import DeclarationError
from llmrack.stack.checks.checks import check
from llmrack.stack.fleet import Fleet
from llmrack.stack.load import load_settings
from llmrack.stack.old_services import program_and_name
from llmrack.stack.settings import Settings
from tests.unit.declare import declaration, host


def refused(*entries: object) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_settings("box1", {"replaces": entries})
    assert len(caught.value.problems) == 1
    return str(caught.value)


def test_nothing_is_replaced_unless_it_is_declared() -> None:
    assert load_settings("box1", {}).replaces == ()


@pytest.mark.parametrize(
    "entry",
    [
        "ollama.service",
        "open-webui.service",
        "llm-proxy@4000.service",
        "ollama.socket",
        r"srv-a\x2db.service",
        "docker:ollama",
        "podman:litellm_proxy.1",
    ],
)
def test_units_and_containers_can_be_named(entry: str) -> None:
    assert load_settings("box1", {"replaces": [entry]}).replaces == (entry,)


def test_an_entry_is_a_unit_or_the_container_of_a_program() -> None:
    assert program_and_name("ollama.service") == ("", "ollama.service")
    assert program_and_name("docker:ollama") == ("docker", "ollama")
    assert program_and_name("podman:a.b") == ("podman", "a.b")
    assert program_and_name("a:b.service") == ("", "a:b.service")


def test_a_text_with_commas_is_a_list_as_it_comes_from_a_command_line() -> None:
    assert Settings(replaces="ollama.service, docker:litellm").replaces == (
        "ollama.service",
        "docker:litellm",
    )


def test_what_is_named_twice_counts_once() -> None:
    assert Settings(replaces=["docker:a", "docker:a"]).replaces == ("docker:a",)


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        ("ollama", "names neither a unit nor a container; write ollama.service, docker:NAME"),
        ("ollama.timer", "names neither a unit nor a container"),
        ("", "names neither a unit nor a container"),
        ("../ollama.service", "names neither a unit nor a container"),
        ("a b.service", "names neither a unit nor a container"),
        ("$(reboot).service", "names neither a unit nor a container"),
        ("name@.service", "names neither a unit nor a container"),
        ("a" * 300 + ".service", "names neither a unit nor a container"),
        ("lxc:ollama", "names neither a unit nor a container"),
        ("docker:", "names no container; write its name as `docker ps` shows it"),
        ("podman:a;b", "names no container; write its name as `podman ps` shows it"),
        ("docker:/ollama", "names no container"),
        ("llmrack-ollama@main.service", "which is llmrack's own; leave it out"),
        ("llmrack-gateway.socket", "which is llmrack's own; leave it out"),
        ("docker.service", "which runs all containers of the host; name the container alone"),
        ("docker.socket", "which runs all containers of the host"),
        ("podman.service", "which runs all containers of the host"),
        ("containerd.service", "which runs all containers of the host"),
        (5, "should be a valid string"),
    ],
)
def test_another_entry_is_refused_with_its_cause(entry: object, cause: str) -> None:
    text = refused("ollama.service", entry)
    assert "replaces.1 (host box1): " in text and cause in text


def test_what_monitoring_runs_cannot_be_replaced() -> None:
    both = ("prometheus.service", "prometheus-node-exporter.service")
    watched = Fleet(
        (host(replaces=both), host("box2", ("monitor",), address="10.0.0.2", replaces=both))
    )
    problems = [str(each) for each in check(declaration(fleet=watched)) if "replaces" in str(each)]
    assert problems == [
        "group_data: replaces (host box1): names prometheus-node-exporter.service, which llmrack's "
        "monitoring runs; leave it out",
        "group_data: replaces (host box2): names prometheus-node-exporter.service, which llmrack's "
        "monitoring runs; leave it out",
        "group_data: replaces (host box2): names prometheus.service, which llmrack's monitoring "
        "runs; leave it out",
    ]
    alone = Fleet((host(replaces=both),))
    assert not [each for each in check(declaration(fleet=alone)) if "replaces" in str(each)]
