"""Scenario: a unified gateway in front of local, vLLM and Ollama Cloud models, on one box."""

from __future__ import annotations

import hashlib
import json
import queue
import re
import shlex
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests.lab.mixed_load import assert_counted, forwarded, mixed_load, usage
from tests.lab.site import Site

HERE = Path(__file__).with_name("one_box_gateway")
STACK: dict[str, Any] = yaml.safe_load((HERE / "stack.yaml").read_text())
HOSTS: dict[str, Any] = yaml.safe_load((HERE / "hosts.yaml").read_text())
BOX = "box3"
CLOUD_MODELS = {
    "deepseek-v3.1:671b-cloud",
    "qwen3-coder:480b-cloud",
    "kimi-k2:1t-cloud",
    "gpt-oss:120b-cloud",
    "gpt-oss:20b-cloud",
    "glm-4.6:cloud",
}
CLOUD = "gpt-oss:20b-cloud"
LOCAL_MODELS = {"qwen2.5-coder:7b", "llama3.1:latest", "qwen-coder-vllm"}
# Longer than the 10 s for which the router puts a deployment that failed aside.
RECOVERY = 30.0
# As a user of the box asks: the key goes from its file to curl without a process list showing it.
CURL = (
    "sed -n 's/^LITELLM_MASTER_KEY=\\(.*\\)/header = \"Authorization: Bearer \\1\"/p' "
    "~/.config/llmrack/gateway.env | curl -sS -i -K - --max-time 60 "
    "-H 'Content-Type: application/json' http://localhost:4000"
)


@pytest.fixture(scope="module")
def site(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """The scenario as declared, deployed on a bare box."""
    fresh(BOX)
    module_site.declare(HOSTS["hosts"], STACK, **HOSTS["data"])
    module_site.deployed()
    return module_site


class Answer:
    """What the gateway answered to curl on the box."""

    def __init__(self, raw: str) -> None:
        head, _, self.text = raw.replace("\r", "").partition("\n\n")
        status, *lines = head.splitlines()
        self.status = int(status.split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines if ": " in line)

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def content(self) -> str:
        """The answer of a model, which its stand-in starts with ``[who model]``."""
        assert self.status == 200, self.text
        content: str = self.json["choices"][0]["message"]["content"]
        return content


def chat(site: Site, model: str, prompt: str = "Say hello.") -> Answer:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}]})
    return Answer(site.as_service(BOX, f"{CURL}/v1/chat/completions -d {shlex.quote(body)}"))


def wait_for_answer(site: Site, model: str, marker: str) -> None:
    """Ask until ``marker`` tells that the declared instance answers again."""
    answers: list[str] = []

    def answered() -> bool:
        answer = chat(site, model)
        answers.append(answer.text)
        return answer.status == 200 and answer.content.startswith(marker)

    assert wait_until(answered, RECOVERY), answers[-1]


def ollama(site: Site, action: str) -> None:
    site.as_service(BOX, f"systemctl --user {action} llmrack-ollama@main.service")


@pytest.fixture
def without_ollama(site: Site) -> Iterator[None]:
    ollama(site, "stop")
    yield
    ollama(site, "start")


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def gateway_pid(site: Site) -> str:
    units = "'llmrack-gateway@*.service'"
    pids = site.as_service(BOX, f"systemctl --user show --state=active -P MainPID {units}")
    assert pids.isdigit(), pids
    return pids


def test_the_declared_models_are_those_of_the_scenario() -> None:
    assert set(STACK["models"]) == CLOUD_MODELS | LOCAL_MODELS


def test_one_address_on_localhost_serves_all_nine_models(site: Site) -> None:
    answer = Answer(site.as_service(BOX, f"{CURL}/v1/models"))
    assert {model["id"] for model in answer.json["data"]} == CLOUD_MODELS | LOCAL_MODELS


@pytest.mark.parametrize("port", [4000, 11434])
def test_nothing_of_it_can_be_reached_from_outside(site: Site, port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((site.lab.host(BOX).address, port), timeout=5)


def test_the_box_listens_where_it_was_declared_and_nowhere_else(site: Site) -> None:
    assert site.listening(BOX) == {
        "0.0.0.0:22",
        "[::]:22",
        "127.0.0.1:4000",
        "127.0.0.1:11434",
    }


def test_a_user_unit_carries_the_key(site: Site) -> None:
    """Its systemd can do better than the environment that /proc shows: a credential."""
    colours = ("blue", "green")
    (unit,) = (
        unit
        for unit in (f"llmrack-gateway@{colour}.service" for colour in colours)
        if site.as_service(BOX, f"systemctl --user is-active {unit}", check=False) == "active"
    )
    owner = site.on(BOX, f"stat -c %U /proc/{gateway_pid(site)}")
    key = site.keys_of(BOX, unit)["OLLAMA_API_KEY"]
    assert (owner, key) == ("llm", site.secrets["OLLAMA_API_KEY"])
    assert "OLLAMA_API_KEY" not in site.on(BOX, f"cat /proc/{gateway_pid(site)}/environ")


def test_the_key_survives_for_later_login_shells_of_the_user(site: Site) -> None:
    key = site.on(BOX, "su - llm -c 'printf %s \"$OLLAMA_API_KEY\" | sha256sum'")
    assert key.split()[0] == digest_of(site.secrets["OLLAMA_API_KEY"])


def test_the_configuration_is_generated_from_providers_and_models(site: Site) -> None:
    text = site.on(BOX, "cat /home/llm/.local/opt/llmrack-gateway/current/config.yaml")
    upstreams = {"local": "http://127.0.0.1:11434"} | {
        name: provider.get("url", "https://ollama.com")
        for name, provider in STACK["providers"].items()
        if name != "local"
    }
    config = yaml.safe_load(text)
    assert text.startswith("# Managed by llmrack")
    assert {
        row["model_name"]: row["litellm_params"]["api_base"] for row in config["model_list"]
    } == {name: upstreams[model["provider"]] for name, model in STACK["models"].items()}


@pytest.mark.parametrize("model", ["qwen2.5-coder:7b", "llama3.1:latest"])
def test_a_local_model_is_answered_by_ollama_on_loopback(site: Site, model: str) -> None:
    answer = chat(site, model)
    assert answer.content.startswith(f"[{BOX} {model}]")
    assert answer.headers["x-litellm-model-api-base"] == "http://127.0.0.1:11434"


def test_the_vllm_model_is_answered_by_vllm(site: Site) -> None:
    assert chat(site, "qwen-coder-vllm").content.startswith("[vllm Qwen/Qwen2.5-Coder-7B-Instruct]")


def test_a_chat_with_gpt_oss_20b_is_answered_by_the_cloud_itself(site: Site) -> None:
    answer = chat(site, "gpt-oss:20b-cloud")
    assert answer.content.startswith("[cloud gpt-oss:20b]")
    assert answer.headers["x-litellm-attempted-fallbacks"] == "0"
    assert answer.json["usage"]["completion_tokens"] > 0


def test_a_code_answer_comes_from_qwen3_coder_in_the_cloud(site: Site) -> None:
    answer = chat(site, "qwen3-coder:480b-cloud", "Write a Python function that adds two numbers.")
    assert answer.content.startswith("[cloud qwen3-coder:480b]")
    assert answer.headers["x-litellm-attempted-fallbacks"] == "0"


def test_the_cloud_is_asked_at_api_chat_with_the_key_as_bearer(site: Site) -> None:
    chat(site, "glm-4.6:cloud")
    asked = site.requests("cloud")[-1]
    assert (asked["method"], asked["path"], asked["model"]) == ("POST", "/api/chat", "glm-4.6")
    assert asked["headers"]["Host"] == "ollama.com"
    key = digest_of(site.secrets["OLLAMA_API_KEY"])
    assert asked["headers"]["Authorization"] == f"Bearer sha256:{key}"


def test_llmrack_verify_proves_all_of_it_through_ssh(site: Site) -> None:
    run = site.run("llmrack", "verify", "-i", site.inventory)
    assert run.code == 0, run.output
    assert re.search(r"(\d+) of \1 checks proven", run.output)


def test_requests_are_followed_live(site: Site) -> None:
    tail = site.start("llmrack", "tail", "--model", CLOUD, "--json", "-i", site.inventory)
    said: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: [said.put(line) for line in tail.stdout or ()])
    reader.start()
    try:

        def seen() -> bool:
            # It follows from the moment in which it has connected.
            assert chat(site, CLOUD).status == 200
            return not said.empty()

        assert wait_until(seen, 30, every=0.5)
        line = json.loads(said.get())
        assert (line["model"], line["provider"], line["key"]) == (CLOUD, "cloud", "master")
    finally:
        tail.send_signal(signal.SIGINT)
        tail.wait(20)
    reader.join(10)
    assert tail.returncode == 0


def test_tokens_by_provider_and_the_last_hour_are_those_that_a_client_counted(site: Site) -> None:
    with forwarded(site, BOX, 4000) as url:
        key = site.secrets["LITELLM_MASTER_KEY"]
        names = [CLOUD, "qwen-coder-vllm", "llama3.1:latest"]
        assert_counted(site, lambda: mixed_load(url, key, names))
    shown = site.run("llmrack", "logs", "--last", "1h", "-i", site.inventory)
    assert shown.code == 0 and "(the gateway)" in shown.output, shown.output
    providers = {group["name"] for group in usage(site, "provider")["groups"]}
    assert {"local", "vllm", "cloud"} <= providers


def test_what_somebody_edits_in_the_generated_file_is_undone(site: Site) -> None:
    config = "/home/llm/.local/opt/llmrack-gateway/current/config.yaml"
    before = site.on(BOX, f"cat {config}")
    site.on(BOX, f"sed -i 's/num_retries: .*/num_retries: 9/' {config}")
    run = site.deployed()
    assert "edited by hand: config.yaml" in run.output
    assert site.on(BOX, f"cat {config}") == before


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()


@pytest.mark.parametrize(
    ("model", "last"),
    [
        ("qwen2.5-coder:7b", "[cloud qwen3-coder:480b]"),
        ("llama3.1:latest", "[cloud deepseek-v3.1:671b]"),
    ],
)
@pytest.mark.usefixtures("without_ollama")
def test_a_local_model_falls_back_to_vllm_and_then_to_its_cloud_model(
    site: Site, model: str, last: str
) -> None:
    wait_for_answer(site, model, "[vllm Qwen/Qwen2.5-Coder-7B-Instruct]")
    site.fault("vllm", "refuse")
    wait_for_answer(site, model, last)


def test_a_local_model_is_answered_locally_again_once_ollama_is_back(site: Site) -> None:
    for model in ("qwen2.5-coder:7b", "llama3.1:latest"):
        wait_for_answer(site, model, f"[{BOX} {model}]")


def test_vllm_falls_back_to_the_default_chain(site: Site) -> None:
    site.fault("vllm", "refuse")
    wait_for_answer(site, "qwen-coder-vllm", "[cloud gpt-oss:120b]")


@pytest.mark.parametrize("model", sorted(CLOUD_MODELS - {"gpt-oss:120b-cloud"}))
def test_a_cloud_model_falls_back_to_the_default_chain(site: Site, model: str) -> None:
    site.fault("cloud", "500", model=model.removesuffix(":cloud").removesuffix("-cloud"))
    wait_for_answer(site, model, "[cloud gpt-oss:120b]")


@pytest.mark.usefixtures("without_ollama")
def test_when_every_provider_is_off_the_client_is_told_so(site: Site) -> None:
    site.fault("vllm", "refuse")
    site.fault("cloud", "refuse")
    answer = chat(site, "llama3.1:latest")
    assert answer.status >= 400
    assert "error" in answer.json


def test_an_unknown_model_is_refused_and_not_answered_by_a_fallback(site: Site) -> None:
    answer = chat(site, "gpt-oss:21b-cloud")
    assert (answer.status, "choices" in answer.json) == (400, False)
    assert "gpt-oss:21b-cloud" in answer.json["error"]["message"]


@pytest.mark.parametrize("outage", ["reboot", "power_cut"])
def test_everything_is_back_without_a_login_after(site: Site, lab: Lab, outage: str) -> None:
    getattr(lab.host(BOX), outage)()
    units = "llmrack-ollama@main.service 'llmrack-gateway@*.service'"
    states = f"systemctl --user show --state=active,activating -P ActiveState {units}"
    assert wait_until(
        lambda: site.as_service(BOX, states, check=False).split() == ["active", "active"], RECOVERY
    ), site.as_service(BOX, states, check=False)
    assert site.on(BOX, "loginctl show-user llm -P State") == "lingering"
    run = site.run("llmrack", "verify", "-i", site.inventory)
    assert run.code == 0, run.output
    site.settled()
