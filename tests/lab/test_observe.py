"""Looking at a fleet, talking to it, and configurations for its clients.

Hosts: box1 (gateway, Ollama), box2 (Ollama), each with a GPU.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.site import STACK, Run, Site

GATEWAY, ENGINE = "box1", "box2"
HOSTS = {GATEWAY: ("gateway", "gpu"), ENGINE: ("gpu",)}
PROVIDERS = STACK["providers"] | {
    "vllm": {"kind": "vllm", "url": "http://vllm.lab:8000/v1", "api_key": "VLLM_API_KEY"},
    "openai": {
        "kind": "openai-compatible",
        "url": "https://openai.lab/v1",
        "api_key": "OPENAI_API_KEY",
        "enabled": False,
    },
}
MODELS = STACK["models"] | {
    "nomic-embed-text": {"provider": "local", "capabilities": ["embedding"]},
    "coder": {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
    "gpt-4o": {"provider": "openai"},
}
SERVED = STACK | {"providers": PROVIDERS, "models": MODELS}
OLLAMA = "llmrack-ollama@main.service"


@pytest.fixture(scope="module")
def site(module_site: Site, lab: Lab, fleet_deployed: None) -> Site:
    for name in HOSTS:
        lab.host(name).set_gpus(1)
    module_site.declare(HOSTS, SERVED, gpu_required=True, gateway_cooldown=1)
    module_site.deployed()
    return module_site


def ask(site: Site, *words: str, **environment: str) -> Run:
    return site.run("llmrack", *words, "-i", site.inventory, **environment)


def rows(run: Run) -> dict[str, dict[str, Any]]:
    """What `llmrack status --json` found, by name; a gateway is called like its host."""
    found = json.loads(run.output)["rows"]
    return {f"{'gateway ' * (each['kind'] == 'gateway')}{each['name']}": each for each in found}


def switch(site: Site, how: str) -> None:
    """Stop, start or restart the Ollama of ENGINE, and wait until it answers."""
    site.as_service(ENGINE, f"systemctl --user {how} {OLLAMA}")
    if how != "stop":
        asked = (
            "curl -fs --retry 50 --retry-connrefused --retry-delay 1 127.0.0.1:11434/api/version"
        )
        site.on(ENGINE, asked)


@pytest.fixture
def stopped(site: Site) -> Iterator[None]:
    """An instance that does not run."""
    switch(site, "stop")
    yield
    switch(site, "start")


def test_a_second_deploy_changes_nothing(site: Site) -> None:
    site.settled()


def test_all_is_well(site: Site) -> None:
    run = ask(site, "status", "--models", "--json")
    assert run.code == 0, run.output
    found = rows(run)
    assert {name: each["state"] for name, each in found.items()} == {
        **dict.fromkeys(("gateway box1", "box1", "box2", "cloud", "vllm"), "ok"),
        "openai": "off",
    }
    assert found["gateway box1"]["version"].startswith("1.")
    assert found["box2"]["version"].startswith("0.")
    assert found["box2"]["url"] == f"http://{site.lab.host(ENGINE).address}:11434"
    assert found["box2"]["cards"][0]["temperature"] == 35
    models = {each["name"]: each for each in found["box2"]["models"]}
    assert models["llama3.2:1b"]["context_length"] == 8192
    assert "chat" in models["llama3.2:1b"]["capabilities"]
    assert [each["name"] for each in found["cloud"]["models"] if each["declared"]] == [
        "gpt-oss:20b"
    ]
    assert all(each["latency"] > 0 for each in found.values() if each["enabled"])


def test_trouble_is_told_with_its_reason(site: Site, stopped: None) -> None:
    site.fault("cloud", "401")
    run = ask(site, "status")
    assert run.code == 1
    assert max(map(len, run.output.splitlines())) <= 80
    text = " ".join(run.output.split())
    assert f"{OLLAMA} is dead; run: pyinfra inventory deploy.py" in text
    assert "refuses the key (401); give a valid one: llmrack secrets rotate OLLAMA_API_KEY" in text
    assert "3 ok, 2 trouble, 1 off" in text


def test_a_model_on_the_cpu_that_should_be_on_a_gpu_is_trouble(site: Site) -> None:
    site.lab.host(ENGINE).set_gpus(1, "too-old")
    switch(site, "restart")
    try:
        ask(site, "chat", "llama3.2:1b", "--instance", ENGINE, "-m", "Hello.")
        run = ask(site, "status", "--json")
    finally:
        site.lab.host(ENGINE).set_gpus(1)
        switch(site, "restart")
    assert run.code == 1
    assert rows(run)[ENGINE]["why"].startswith("llama3.2:1b runs on the CPU")


def test_a_host_that_is_gone_hides_no_other(site: Site, tmp_path: Path) -> None:
    nowhere = {"ssh_hostname": "127.0.0.1", "ssh_port": 9}
    gone = Site(site.lab, tmp_path)
    gone.own = {ENGINE: nowhere | {"address": site.lab.host(ENGINE).address}}
    gone.declare(HOSTS, SERVED)
    run = ask(gone, "status", "--json")
    assert run.code == 2, run.output
    found = rows(run)
    assert found[ENGINE]["state"] == "unknown"
    assert "box2 could not be asked: no connection" in found[ENGINE]["why"]
    assert found["cloud"]["state"] == found["gateway box1"]["state"] == "ok"


def test_watching_goes_on_until_it_is_interrupted(site: Site) -> None:
    watching = site.start("llmrack", "status", "--watch", "0.5", "--json", "-i", site.inventory)
    assert watching.stdout
    try:
        codes = [json.loads(watching.stdout.readline())["exit_code"] for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        rest, _ = watching.communicate(timeout=DEADLINE)
    finally:
        watching.kill()
    assert (codes, watching.returncode) == ([0, 0], 0)
    assert all(line.startswith("{") for line in rest.splitlines())


@pytest.mark.parametrize(
    ("words", "by"),
    [
        (("llama3.2:1b",), "box"),
        (("llama3.2:1b", "--instance", "box2"), "box2/llama3.2:1b"),
        (("coder", "--instance", "vllm"), "vllm/Qwen/Qwen2.5-Coder-7B-Instruct"),
        (("gpt-oss:20b-cloud", "--instance", "cloud"), "cloud/gpt-oss:20b"),
    ],
)
def test_an_answer_comes_with_who_gave_it_and_how_fast(
    site: Site, words: tuple[str, ...], by: str
) -> None:
    run = site.run("llmrack", "chat", *words, "-i", site.inventory, given="Say hello.")
    assert run.code == 0, run.output
    answer, timing = run.output.splitlines()
    assert answer.startswith("[")
    assert timing.startswith(by)
    assert " answered: first token " in timing and " tokens" in timing


def test_a_fallback_is_told(site: Site) -> None:
    site.fault("vllm", "500")
    run = ask(site, "chat", "coder", "-m", "Hello.")
    assert "cloud/gpt-oss:20b-cloud answered (a fallback: coder was asked for)" in run.output
    assert run.code == 0
    site.fault("vllm", "ok")
    assert wait_until(lambda: ask(site, "status").code == 0, DEADLINE), "vllm stays aside"


@pytest.mark.parametrize(
    ("mode", "words", "said"),
    [
        ("401", ("gpt-oss:20b-cloud",), "refuses the key (401); give a valid one"),
        ("401", ("gpt-oss:20b-cloud", "--instance", "cloud"), "refuses the key (401)"),
        ("500", ("gpt-oss:20b-cloud", "--instance", "cloud"), "failed (500"),
        ("ok", ("nope", "--instance", "cloud"), "answers 404: model 'nope' not found"),
    ],
)
def test_no_answer_is_told_with_its_class_and_a_way_out(
    site: Site, mode: str, words: tuple[str, ...], said: str
) -> None:
    site.fault("cloud", mode)
    run = ask(site, "chat", *words, "-m", "Hello.")
    assert run.code == 1, run.output
    assert said in run.output
    assert not [name for name, value in site.secrets.items() if value in run.output]


def test_an_instance_that_is_down_is_told(site: Site, stopped: None) -> None:
    run = ask(site, "chat", "llama3.2:1b", "--instance", ENGINE, "-m", "Hello.")
    assert run.code == 1
    assert f"cannot connect to {ENGINE}" in run.output


def configuration(site: Site, client: str) -> str:
    """What is printed; what is said beside it are comments, too."""
    return ask(site, "client", client).output


def test_the_environment_and_curl_work_as_printed(site: Site) -> None:
    key = {"LLMRACK_API_KEY": site.secrets["LITELLM_MASTER_KEY"]}
    listed = 'curl -fsS -H "Authorization: Bearer $OPENAI_API_KEY" "$OPENAI_BASE_URL/models"'
    for text in (f"{configuration(site, 'env')}\n{listed}", configuration(site, "curl")):
        ran = subprocess.run(
            ["bash", "-c", text], env=os.environ | key, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        found = json.loads(ran.stdout)
        assert found.get("choices") or found["data"]


def test_python_s_sdk_works_as_printed(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "ask.py"
    file.write_text(configuration(site, "python"))
    environment = os.environ | {"LLMRACK_API_KEY": site.secrets["LITELLM_MASTER_KEY"]}
    ran = subprocess.run(
        [sys.executable, file],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert "768 dimensions" in ran.stdout
