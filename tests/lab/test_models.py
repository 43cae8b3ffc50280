"""Models as declared: pulled, made, copied, made anew, removed.

Hosts: box4 (gpu); the gateway on box3 is declared and left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmrack_lab.shell import wait_until
from llmrack_lab.standins.weights import write_llama
from tests import DEADLINE
from tests.lab.site import Run, Site

BOX = "box4"
HOSTS = {BOX: ("gpu",), "box3": ("gateway",)}
ASSISTANT = {
    "from": "llama3.2",
    "system": "You are a coding assistant.",
    "parameters": {"temperature": 0.7},
}


@pytest.fixture(scope="module")
def module(module_site: Site, fresh: Callable[[str], None]) -> Site:
    fresh(BOX)
    module_site.only = BOX
    return module_site


@pytest.fixture
def site(module: Site) -> Site:
    """BOX with the model ``coding-assistant`` and its base."""
    declare(module, **{"coding-assistant": {"create": ASSISTANT}})
    module.deployed()
    return module


def declare(site: Site, prune: object = False, **models: dict[str, Any]) -> None:
    provider = {"kind": "ollama"} | ({"prune": prune} if prune else {})
    stack = {
        "providers": {"local": provider},
        "models": {name: {"provider": "local"} | model for name, model in models.items()},
    }
    site.declare(HOSTS, stack)


def ask(site: Site, path: str, **body: object) -> dict[str, Any]:
    """What Ollama answers, waited for while it starts."""
    data = f"-d '{json.dumps(body)}'" if body else ""
    curl = f"curl -s --retry {DEADLINE} --retry-delay 1 --retry-connrefused"
    found: dict[str, Any] = json.loads(site.on(BOX, f"{curl} 127.0.0.1:11434{path} {data}"))
    return found


def digests(site: Site) -> dict[str, str]:
    return {model["name"]: model["digest"] for model in ask(site, "/api/tags")["models"]}


def dry(site: Site) -> Run:
    return site.run("pyinfra", site.inventory, "deploy.py", "--dry", "--limit", BOX)


def test_a_model_is_made_as_a_modelfile_would(site: Site) -> None:
    shown = ask(site, "/api/show", model="coding-assistant")
    assert shown["system"] == ASSISTANT["system"]
    assert "temperature" in shown["parameters"] and "0.7" in shown["parameters"]
    site.settled()


def test_a_changed_declaration_makes_it_anew_and_an_unchanged_one_costs_nothing(
    site: Site,
) -> None:
    before = digests(site)
    changed = ASSISTANT | {"system": "You review code."}
    declare(site, **{"coding-assistant": {"create": changed}})
    assert "CreatedModel coding-assistant:latest: declared differently" in dry(site).output
    site.deployed()
    after = digests(site)
    assert ask(site, "/api/show", model="coding-assistant")["system"] == "You review code."
    assert before["coding-assistant:latest"] != after["coding-assistant:latest"]
    assert before["llama3.2:latest"] == after["llama3.2:latest"]
    site.settled()


def test_a_model_changed_by_hand_is_made_anew(site: Site) -> None:
    before = digests(site)
    ask(site, "/api/create", model="coding-assistant", **{"from": "llama3.2"}, stream=False)
    assert digests(site) != before
    site.deployed()
    assert digests(site) == before
    site.settled()


def test_a_copy_is_the_same_model_under_another_name(site: Site) -> None:
    declare(
        site,
        **{"coding-assistant": {"create": ASSISTANT}, "fast": {"create": {"copy": "llama3.2"}}},
    )
    site.deployed()
    found = digests(site)
    assert found["fast:latest"] == found["llama3.2:latest"]
    site.settled()


def test_a_context_length_is_baked_in_and_holds_for_embeddings_too(site: Site) -> None:
    declare(
        site,
        **{
            "llava": {"capabilities": ["chat", "vision"], "context_length": 4096},
            "nomic-embed-text": {
                "capabilities": ["embedding"],
                "dimensions": 768,
                "context_length": 1024,
            },
            "llama3.2:1b": {"capabilities": ["chat", "tools"], "context_length": 16384},
        },
    )
    site.deployed()
    loaded = {each["name"]: each["context_length"] for each in ask(site, "/api/ps")["models"]}
    assert loaded["nomic-embed-text:latest-ctx1024"] == 1024
    assert loaded["llava:latest-ctx4096"] == 4096
    assert loaded["llama3.2:1b-ctx16384"] == 16384
    site.settled()


@pytest.fixture
def gguf(tmp_path: Path) -> dict[str, str]:
    """A local GGUF file, as a stack declares it."""
    path = tmp_path / "support.gguf"
    write_llama(path, "support", 4096)
    return {"gguf": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_model_is_made_from_a_local_file(site: Site, gguf: dict[str, str]) -> None:
    declare(site, support={"create": gguf | {"system": "You support."}})
    site.deployed()
    assert ask(site, "/api/show", model="support")["system"] == "You support."
    message = {"role": "user", "content": "Say hello."}
    answer = ask(site, "/api/chat", model="support", messages=[message], stream=False)
    assert answer["message"]["content"]
    site.settled()


def test_a_local_file_with_another_checksum_is_refused_by_name(
    site: Site, gguf: dict[str, str]
) -> None:
    with Path(gguf["gguf"]).open("ab") as file:
        file.write(b"damage")
    declare(site, other={"create": gguf})
    run = site.deploy()
    assert run.code == 1
    assert "support.gguf has the SHA-256" in run.output
    assert "other:latest" not in digests(site)


def test_a_local_file_that_is_not_there_is_found_before_a_host_is_touched(site: Site) -> None:
    declare(site, other={"create": {"gguf": "models/none.gguf", "sha256": "a" * 64}})
    run = site.deploy()
    assert run.code == 1
    assert "there is no file models/none.gguf" in run.output


def test_prune_removes_what_nobody_declares_by_exact_name(site: Site) -> None:
    declare(site, **{"gemma3": {}, "gemma3:27b": {}, "coding-assistant": {"create": ASSISTANT}})
    site.deployed()
    declare(site, True, **{"gemma3": {}, "coding-assistant": {"create": ASSISTANT}})
    told = dry(site).output
    assert "Models that nobody declares: to be removed:" in told and "gemma3:27b" in told
    assert "gemma3:27b" in digests(site)
    site.deployed()
    # The base of a declared model stays, although nobody declares it by itself.
    assert set(digests(site)) == {
        "gemma3:latest",
        "coding-assistant:latest",
        "llama3.2:latest",
    }
    site.settled()


def test_an_empty_list_is_pruned_only_at_a_second_word(site: Site) -> None:
    cloud = {"providers": {"cloud": {"kind": "ollama-cloud"}}, "models": {}}
    model = {"gpt-oss:20b-cloud": {"provider": "cloud"}}

    def empty(word: object) -> None:
        provider = {"local": {"kind": "ollama", "prune": word}}
        providers = {**provider, **cloud["providers"]}
        site.declare(HOSTS, {"providers": providers, "models": model})

    before = digests(site)
    empty(True)
    run = site.deploy()
    assert run.code == 1 and "every model would be removed" in run.output
    assert digests(site) == before
    empty("everything")
    site.deployed()
    assert digests(site) == {}
    site.settled()


def test_preloaded_models_are_there_after_each_start(site: Site) -> None:
    declare(site, **{"llama3.2:1b": {"preload": True}})
    site.deployed()

    def loaded() -> set[str]:
        return {each["name"] for each in ask(site, "/api/ps")["models"]}

    site.as_service(BOX, "systemctl --user restart llmrack-ollama@main.service")
    assert wait_until(lambda: "llama3.2:1b" in loaded(), DEADLINE)
    # A crash, too: the warm-up goes with the server.
    site.as_service(BOX, "systemctl --user kill -s KILL llmrack-ollama@main.service")
    assert wait_until(lambda: "llama3.2:1b" in loaded(), DEADLINE)
    site.settled()
    declare(site, **{"llama3.2:1b": {}})
    site.deployed()
    units = "systemctl --user list-units --plain --no-legend --all 'llmrack-warm-up@*'"
    assert site.as_service(BOX, units) == ""
    site.settled()


def test_models_lost_by_a_restart_are_named(site: Site) -> None:
    # A server that no longer sees a manifest, as after an upgrade that changes the layout.
    drop_in = "/home/llm/.config/systemd/user/llmrack-ollama@main.service.d"
    site.as_service(
        BOX,
        f"mkdir -p {drop_in} && printf '[Service]\\nEnvironment=OLLAMA_MODELS=/home/llm/.ollama/"
        f"other\\nEnvironmentFile=\\nEnvironmentFile=-/home/llm/other.env\\n' >{drop_in}/x.conf && "
        "printf 'OLLAMA_HOST=0.0.0.0:11434\\nOLLAMA_MODELS=/home/llm/.ollama/other\\n"
        "LLMRACK_GPUS=\\n' >/home/llm/other.env",
    )
    try:
        site.declare(
            HOSTS,
            {
                "providers": {"local": {"kind": "ollama"}},
                "models": {"coding-assistant": {"provider": "local", "create": ASSISTANT}},
            },
            ollama_environment={"OLLAMA_KEEP_ALIVE": "99s"},
        )
        run = site.deploy()
        assert run.code == 1
        assert "llama3.2:latest was there before the restart" in run.output
    finally:
        site.as_service(BOX, f"rm -r {drop_in} /home/llm/other.env")
