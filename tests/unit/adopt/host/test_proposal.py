"""From looks at hosts to what llmrack declares in place of what runs there."""

from __future__ import annotations

from typing import Any

import pytest

from llmrack.adopt.host.proposal import Proposal, propose, summary
from llmrack.components.gpu.gpus import Gpus
from llmrack.components.gpu.states import NO_CARD, Finding, State
from llmrack.stack.schema import Stack
from llmrack.stack.settings import Settings
from tests.unit.adopt.host.looks import EMBED, LLAMA, PLACE, VOLUME, boxed, host, model, ollama
from tests.unit.adopt.host.looks import server as other

MAKE_USER = "id -u llm >/dev/null 2>&1 || useradd --create-home --shell /bin/bash llm"


def proposed(*servers: dict[str, Any], gpus: Gpus | None = None) -> Proposal:
    """The proposal, which llmrack's own types accept."""
    proposal = propose("box1", host(*servers, gpus=gpus))
    settings = Settings.model_validate(proposal.settings)
    assert settings.service_home
    if proposal.stack:
        Stack.model_validate(proposal.stack)
    return proposal


def noted(proposal: Proposal, *words: str) -> str:
    """The only note with all these words."""
    (line,) = (line for line in proposal.notes.printed() if all(word in line for word in words))
    return line


def test_an_ollama_of_the_official_installer_is_taken_over_as_it_is() -> None:
    proposal = proposed(ollama())
    assert proposal.settings == {
        "service_user": "ollama",
        "service_home": "/usr/share/ollama",
        "replaces": ["ollama.service"],
    }
    assert proposal.stack == {
        "providers": {"local": {"kind": "ollama", "group": "gpu"}},
        "models": {
            "llama3.2": {"provider": "local"},
            "nomic-embed-text:v1.5": {"provider": "local", "capabilities": ["embedding"]},
        },
    }
    assert proposal.before == ()
    assert proposal.notes.is_whole
    assert "no model is downloaded or copied" in noted(proposal, "service_user")
    assert "box1: ollama.service: replaces 'ollama.service': a deploy stops it" in noted(
        proposal, "replaces"
    )


def test_a_folder_of_models_elsewhere_stays_there() -> None:
    place = {**PLACE, "mount": "/data"}
    proposal = proposed(ollama(folder="/data/ollama/models", place=place))
    assert proposal.settings["ollama_models"] == "/data/ollama/models"
    assert proposal.settings["ollama_models_mount"] == "/data"
    assert proposal.settings["service_user"] == "ollama"
    assert proposal.notes.is_whole


def test_a_folder_of_models_that_llmrack_takes_no_path_of_is_lost_with_a_way_out() -> None:
    proposal = proposed(ollama(folder="/data/my models"))
    assert "ollama_models" not in proposal.settings
    assert "mount --bind" in noted(proposal, "not taken over", "/data/my models")


def test_a_user_whose_home_services_cannot_have_is_left() -> None:
    place = {**PLACE, "closed": "/root"}
    for home, user in (("/root", "root"), ("/nonexistent", "nobody")):
        proposal = proposed(
            ollama(user=user, home=home, folder=f"{home}/.ollama/models", place=place)
        )
        assert "service_user" not in proposal.settings
        assert proposal.settings["ollama_models"] == "/var/lib/ollama-models"
        assert f"cp -al {home}/.ollama/models/. /var/lib/ollama-models/" in proposal.before


def test_a_volume_of_docker_is_taken_over_by_hard_links() -> None:
    proposal = proposed(boxed())
    assert proposal.settings == {
        "ollama_models": "/var/lib/ollama-models",
        "ollama_bind": "0.0.0.0",
        "gateway_bind": "0.0.0.0",
        "replaces": ["docker:ollama"],
    }
    assert proposal.before == (
        MAKE_USER,
        "mkdir -p /var/lib/ollama-models",
        f"cp -al {VOLUME}/. /var/lib/ollama-models/",
        "chown -R llm: /var/lib/ollama-models",
    )
    assert "only root may enter /var/lib/docker" in noted(proposal, "hard links")


def test_a_volume_on_another_disk_is_copied_and_the_room_is_told() -> None:
    place = {**PLACE, "closed": "/var/lib/docker", "is_beside": False}
    proposal = proposed(boxed(place=place))
    assert f"cp -a {VOLUME}/. /var/lib/ollama-models/" in proposal.before
    assert "the copy needs 2.3 GB" in noted(proposal, "as a copy")


def test_a_bound_folder_that_others_may_enter_stays_where_it_is() -> None:
    proposal = proposed(boxed(folder="/srv/ollama/models", place=PLACE))
    assert proposal.settings["ollama_models"] == "/srv/ollama/models"
    assert proposal.before == (MAKE_USER, "chown -R llm: /srv/ollama/models")


def test_models_in_the_container_alone_are_copied_out_of_it() -> None:
    listed = {"llama3.2:latest": {"size": 2_000_000_000, "capabilities": None, "is_remote": False}}
    proposal = proposed(boxed(folder="", place=None, models={}, listed=listed))
    assert "docker cp ollama:/root/.ollama/models/. /var/lib/ollama-models/" in proposal.before
    assert "lost with it; the copy needs 2.0 GB" in noted(proposal, "container alone")


def test_a_container_without_models_needs_no_command() -> None:
    proposal = proposed(boxed(models={}))
    assert proposal.before == ()
    assert proposal.stack == {}


def test_a_unit_of_podman_is_replaced_in_place_of_its_container() -> None:
    proposal = proposed(boxed({"runtime": "podman", "unit": "ollama-box.service"}))
    assert proposal.settings["replaces"] == ["ollama-box.service"]


@pytest.mark.parametrize(
    ("seen", "command"),
    [
        (boxed({"runtime": "podman"}, owner="ops"), "runuser -u ops -- podman stop ollama"),
        (
            ollama(owner="ops", user="ops", home="/home/ops"),
            "systemctl --user -M ops@ disable --now ollama.service",
        ),
        (ollama(unit="", user="ops", home="/home/ops"), "kill 812"),
    ],
)
def test_what_llmrack_cannot_stop_is_stopped_by_hand(seen: dict[str, Any], command: str) -> None:
    proposal = proposed(seen)
    assert "replaces" not in proposal.settings
    assert proposal.before[-1] == command
    assert command in noted(proposal, "llmrack cannot stop it")


def test_what_the_server_says_of_its_models_counts_more_than_their_names() -> None:
    listed = {
        "llama3.2:latest": {
            "size": 2_000_000_000,
            "capabilities": ["completion", "tools", "vision"],
            "is_remote": False,
        },
        "nomic-embed-text:v1.5": {"size": 1, "capabilities": ["embedding"], "is_remote": False},
        "odd:latest": {"size": 1, "capabilities": ["vision"], "is_remote": False},
    }
    models = proposed(ollama(listed=listed)).stack["models"]
    assert models["llama3.2"]["capabilities"] == ["chat", "vision", "tools"]
    assert models["nomic-embed-text:v1.5"]["capabilities"] == ["embedding"]
    assert models["odd"]["capabilities"] == ["chat", "vision"]


def test_models_of_ollama_com_and_of_odd_names_are_lost_with_a_way_out() -> None:
    models = {
        LLAMA: model(5),
        "registry.ollama.ai/library/glm/cloud": model(1, is_remote=True),
        "registry.ollama.ai/library/_odd/latest": model(1),
        "hf.co/org/Model-GGUF/Q4_K_M": model(1),
    }
    proposal = proposed(ollama(models=models))
    assert list(proposal.stack["models"]) == ["hf.co/org/Model-GGUF:Q4_K_M", "llama3.2"]
    assert "kind ollama-cloud" in noted(proposal, "not taken over", "models.glm:cloud")
    assert "ollama cp" in noted(proposal, "not taken over", "models._odd:latest")
    assert not proposal.notes.is_whole


def test_of_two_ollamas_the_one_that_runs_counts() -> None:
    stopped = ollama(active="inactive", pid=0, models={LLAMA: model(1), EMBED: model(1)})
    proposal = proposed(stopped, boxed(models={LLAMA: model(1)}))
    assert list(proposal.stack["models"]) == ["llama3.2"]
    # The other one would take the port after a reboot.
    assert proposal.settings["replaces"] == ["docker:ollama", "ollama.service"]
    assert "nomic-embed-text:v1.5" in noted(proposal, "not taken over", "ollama.service.models")


def test_a_second_ollama_that_runs_stays() -> None:
    proposal = proposed(ollama(), boxed({"published": [[11434, "", 11500]]}, models={}))
    assert proposal.settings["replaces"] == ["ollama.service"]
    assert noted(proposal, "docker:ollama: left out: stays as it is")


def test_a_later_release_than_the_pinned_one_has_to_be_pinned() -> None:
    proposal = proposed(ollama(version="9.1.0"))
    assert "llmrack pin ollama 9.1.0" in noted(proposal, "not taken over", "version")
    assert "in place of 0.12.3" in noted(proposed(ollama()), "version")
    proposed(ollama(version="0.35.0-rc1"))


def test_the_context_that_ollama_chose_is_named() -> None:
    assert "llmrack sets 8192" in noted(proposed(ollama()), "OLLAMA_CONTEXT_LENGTH")


@pytest.mark.parametrize(
    ("gpus", "settings", "word"),
    [
        (Gpus(NO_CARD), {"gpu_required": False}, "serves from its CPU"),
        (Gpus(Finding(State.NO_DRIVER, "it has none", "install it")), {}, "not taken over"),
    ],
)
def test_cards_decide_on_gpu_required(gpus: Gpus, settings: dict[str, Any], word: str) -> None:
    proposal = proposed(gpus=gpus)
    assert proposal.settings == settings
    assert word in noted(proposal, "box1: gpus:")


def test_a_host_that_a_deploy_would_refuse_is_told_so() -> None:
    notes = propose("box1", host(refusals=("it has no apt-get: only Debian is supported",))).notes
    assert notes.printed()[0] == (
        "box1: deploy: not taken over: would be refused: it has no apt-get; only Debian is "
        "supported"
    )


def test_a_litellm_names_the_command_that_takes_it_over() -> None:
    seen = other("LiteLLM", unit="litellm.service", config="/etc/litellm/config.yaml")
    line = noted(proposed(seen), "litellm.service")
    assert "`llmrack adopt /etc/litellm/config.yaml`" in line
    assert "add 'litellm.service' to replaces" in line
    inside = boxed({"name": "proxy", "config": "/app/config.yaml"}, program="LiteLLM")
    line = noted(proposed(inside), "docker:proxy")
    assert "`docker cp proxy:/app/config.yaml .`" in line
    assert "`llmrack adopt config.yaml`" in line
    assert "by hand" in noted(proposed(other("LiteLLM")), "LiteLLM.service")


def test_a_litellm_that_has_the_port_of_the_gateway_is_in_the_way() -> None:
    box = {"name": "proxy", "published": [[8000, "", 4000]]}
    proposal = proposed(boxed(box, program="LiteLLM", listens=[["0.0.0.0", 8000]]))
    assert "LiteLLM at 0.0.0.0:4000 has the port of the gateway" in noted(proposal, "docker:proxy")
    assert not proposal.notes.is_whole
    assert proposed(other("LiteLLM", listens=[["0.0.0.0", 8000]])).notes.is_whole


def test_other_servers_stay_and_a_way_to_use_them_is_named() -> None:
    proposal = proposed(
        other("vLLM", listens=[["0.0.0.0", 8000]]),
        other("llama.cpp", listens=[["::1", 8080]]),
        other("Open WebUI", listens=[["0.0.0.0", 3000]]),
    )
    assert proposal.settings == {}
    assert "kind vllm with url http://127.0.0.1:8000/v1" in noted(proposal, "vLLM")
    assert "openai-compatible with url http://[::1]:8080/v1" in noted(proposal, "llama.cpp")
    assert "`llmrack client open-webui`" in noted(proposal, "Open WebUI")
    assert proposal.notes.is_whole


def test_the_summary_says_what_was_seen_and_who_uses_it() -> None:
    callers = [
        {"address": "127.0.0.1", "connections": 1, "pid": 7, "program": "python3", "user": "ops"},
        {"address": "172.18.0.5", "connections": 2, "container": "open-webui"},
        {"address": "10.0.0.5", "connections": 3},
    ]
    lines = list(summary("box1", host(ollama(callers=callers))))
    assert lines == [
        "box1: Debian 12, x86_64; no GPU",
        "box1: ollama.service: Ollama 0.12.3 at 127.0.0.1:11434, runs as user ollama",
        "box1: ollama.service: 2 models in /usr/share/ollama/.ollama/models (2.3 GB)",
        "box1: ollama.service: used by python3 (process 7, user ollama)".replace(
            "user ollama", "user ops"
        ),
        "box1: ollama.service: used by the container open-webui, 2 connections",
        "box1: ollama.service: used by 10.0.0.5, 3 connections",
    ]


def test_an_ollama_that_llmrack_has_replaced_does_not_count() -> None:
    replaced = ollama(active="inactive", pid=0)
    assert host(replaced, llmrack="0.2.0").ollamas == []
    assert len(host(replaced).ollamas) == 1
    assert len(host(ollama(), llmrack="0.2.0").ollamas) == 1


def test_a_bare_host_and_one_of_llmracks_are_told_apart() -> None:
    assert list(summary("box1", host()))[1:] == ["box1: nothing that serves models"]
    (line,) = list(summary("box1", host(llmrack="0.2.0")))[1:]
    assert line.startswith("box1: llmrack 0.2.0 has deployed it")
