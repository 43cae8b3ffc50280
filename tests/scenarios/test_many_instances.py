"""Scenario: a manager of many Ollama instances, our own and other people's.

Export belongs to a command that is not there yet.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from llmrack.verify.probes import RED_PNG
from llmrack_lab.lab import Lab
from llmrack_lab.services import PROVIDERS
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.lab.mixed_load import assert_counted, mixed_load
from tests.lab.site import Run, Site

HERE = Path(__file__).with_name("many_instances")
STACK: dict[str, Any] = yaml.safe_load((HERE / "stack.yaml").read_text())
HOSTS: dict[str, Any] = yaml.safe_load((HERE / "hosts.yaml").read_text())
GATEWAY, LOCAL = "box1", ("box2", "box3")
REMOTE = ("office", "attic")
# With two equal instances the chance that one is never asked is below one in a million.
MANY = 20
# Seconds until an instance that is well again is used, far above what it takes.
RECOVERY = 30.0


@pytest.fixture(scope="module")
def site(module_site: Site, lab: Lab, fresh: Callable[[str], None]) -> Site:
    """The scenario as declared, deployed on bare boxes."""
    for host in HOSTS["hosts"]:
        fresh(host)
    for service in PROVIDERS:
        module_site.forget_requests(service.name)
    shutil.copy(lab.folder / "office-ca.pem", module_site.folder)
    module_site.declare(HOSTS["hosts"], STACK, **HOSTS["data"])
    module_site.deployed()
    return module_site


@pytest.fixture
def fault(site: Site) -> Iterator[Callable[..., None]]:
    """Make instances misbehave; all are well, and used again, when the test has ended."""
    broken = set()

    def set_fault(name: str, mode: str, **more: object) -> None:
        broken.add(name)
        site.lab.fault(name, mode, **more)

    yield set_fault
    for name in broken:
        site.lab.fault(name, "ok")
    for name in {"local" if name in LOCAL else name for name in broken}:
        assert wait_until(lambda name=name: answers(site, name), RECOVERY), name


def answers(site: Site, provider: str) -> bool:
    """Whether every instance of a provider answers for itself."""
    names = LOCAL if provider == "local" else (provider,)
    return all(site.chat(GATEWAY, f"{name}/llama3.2").status_code == 200 for name in names)


def answering(site: Site, model: str = "llama3.2", **body: object) -> str:
    """The instance that answers."""
    answer = site.chat(GATEWAY, model, **body)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-litellm-model-id"].removesuffix(f"/{model}")


def asked(site: Site, instance: str) -> list[dict[str, Any]]:
    """What an instance was asked, header names in lower case."""
    if instance in LOCAL:
        text = site.on(instance, "curl -fs 127.0.0.1:11434/__standin__/requests")
        found = json.loads(text)["requests"]
    else:
        found = site.requests(instance)
    return [
        each | {"headers": {name.lower(): value for name, value in each["headers"].items()}}
        for each in found
    ]


def digest(site: Site, secret: str) -> str:
    """A secret as the stand-ins note it."""
    return f"sha256:{hashlib.sha256(site.secrets[secret].encode()).hexdigest()}"


def last_chat(site: Site, instance: str) -> dict[str, Any]:
    """The last request of a chat that an instance got."""
    return [each for each in asked(site, instance) if each["path"].endswith("/chat")][-1]


def failures(site: Site) -> list[str]:
    """What `llmrack verify` finds wrong."""
    file = site.folder / "verify.xml"
    run = site.run("llmrack", "verify", "-i", site.inventory, "--junit", str(file))
    assert run.code == 1, run.output
    return [str(each.get("message")) for each in ET.parse(file).iter("failure")]


def test_the_declared_instances_are_those_of_the_scenario() -> None:
    assert [name for name, groups in HOSTS["hosts"].items() if "gpu" in groups] == list(LOCAL)
    remote = [n for n, p in STACK["providers"].items() if p["kind"] == "ollama-remote"]
    assert remote == list(REMOTE)


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()


def test_the_deploy_asked_for_the_list_of_models_at_its_path(site: Site) -> None:
    for instance, path in (("office", "/ollama/v2/models"), ("attic", "/api/tags")):
        lists = [each for each in asked(site, instance) if each["path"] == path]
        assert lists and {each["status"] for each in lists} == {200}


def test_the_office_is_asked_at_its_path_with_all_its_headers(site: Site) -> None:
    assert answering(site, "office/llama3.2") == "office/llama3.2"
    request = last_chat(site, "office")
    assert (request["path"], request["body"]["model"]) == ("/ollama/v2/chat", "llama3.2")
    headers = request["headers"]
    assert headers["authorization"] == f"Bearer {digest(site, 'OFFICE_API_KEY')}"
    assert headers["x-api-key"] == digest(site, "OFFICE_CLIENT_KEY")
    assert headers["x-client-id"] == "rack1"


def test_the_attic_is_asked_at_ollamas_path_with_its_key_alone(site: Site) -> None:
    assert answering(site, "llama3.2:1b") == "attic"
    request = last_chat(site, "attic")
    assert (request["path"], request["body"]["model"]) == ("/api/chat", "llama3.2:1b")
    assert request["headers"]["authorization"] == f"Bearer {digest(site, 'ATTIC_API_KEY')}"
    assert not request["headers"].keys() & {"x-api-key", "x-client-id"}


@pytest.mark.parametrize("instance", REMOTE)
def test_health_is_asked_at_the_declared_path_with_the_key(site: Site, instance: str) -> None:
    path = STACK["providers"][instance].get("paths", {}).get("health", "/api/version")

    def looked() -> bool:
        answering(site, f"{instance}/llama3.2")
        signs = [each for each in asked(site, instance) if each["path"] == path]
        return bool(signs) and {each["status"] for each in signs} == {200}

    assert wait_until(looked, DEADLINE)


@pytest.mark.parametrize("instance", [*LOCAL, "attic"])
def test_embeddings_come_from_each_instance_that_has_them(site: Site, instance: str) -> None:
    answer = httpx.post(
        f"http://{site.lab.host(GATEWAY).address}:4000/v1/embeddings",
        headers={"Authorization": f"Bearer {site.secrets['LITELLM_MASTER_KEY']}"},
        json={"model": f"{instance}/nomic-embed-text", "input": "hello"},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"][0]["embedding"]) == 768


@pytest.mark.parametrize("instance", [*LOCAL, "office"])
def test_an_image_reaches_each_instance_with_eyes(site: Site, instance: str) -> None:
    image = {"type": "image_url", "image_url": {"url": RED_PNG}}
    content = [{"type": "text", "text": "Which colour?"}, image]
    answering(site, f"{instance}/llava", messages=[{"role": "user", "content": content}])
    (message,) = last_chat(site, instance)["body"]["messages"]
    assert message["images"] == [RED_PNG.partition(",")[2]]


def test_the_best_instances_answer_and_share_the_requests(site: Site) -> None:
    assert {answering(site) for _ in range(MANY)} == set(LOCAL)


def test_others_take_over_in_the_order_of_priority_and_give_back(
    site: Site, fault: Callable[..., None]
) -> None:
    fault("box2", "refuse")
    assert {answering(site) for _ in range(MANY)} == {"box3"}
    fault("box3", "500")
    assert {answering(site) for _ in range(MANY)} == {"office"}
    fault("office", "401")
    assert {answering(site) for _ in range(MANY)} == {"attic"}
    for name in ("office", *LOCAL):
        site.lab.fault(name, "ok")
    assert wait_until(lambda: answering(site) in LOCAL, RECOVERY)


def test_a_stream_is_taken_over_too(site: Site, fault: Callable[..., None]) -> None:
    for host in LOCAL:
        fault(host, "hang", only="all")
    answer = site.chat(GATEWAY, "llama3.2", stream=True)
    assert answer.status_code == 200
    assert "[office" in "".join(
        json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        for line in answer.text.splitlines()
        if line.startswith("data: {")
    )


def test_an_instance_that_packets_are_lost_to_is_replaced(site: Site) -> None:
    site.lab.lose("box2", GATEWAY)
    try:
        assert {answering(site) for _ in range(MANY)} == {"box3"}
    finally:
        site.lab.lose("box2")
    assert wait_until(lambda: answers(site, "local"), RECOVERY)


def test_an_answer_may_take_as_long_as_its_instance_is_given(
    site: Site, fault: Callable[..., None]
) -> None:
    fault("attic", "hang", only="inference")
    began = time.monotonic()
    answer = site.chat(GATEWAY, "llama3.2:1b")
    assert answer.status_code in (408, 504), answer.text
    assert 4.5 < time.monotonic() - began < 60  # five are declared; LiteLLM's own are 600


def test_what_every_instance_answered_is_what_the_client_counted(site: Site) -> None:
    url = f"http://{site.lab.host(GATEWAY).address}:4000/v1"
    key = site.secrets["LITELLM_MASTER_KEY"]
    assert_counted(site, lambda: mixed_load(url, key, ["llama3.2"], times=6))
    shown = site.run("llmrack", "usage", "--last", "1h", "--by", "instance", "-i", site.inventory)
    assert all(name in shown.output for name in LOCAL), shown.output


def test_health_of_all_is_seen_at_a_glance(site: Site, fault: Callable[..., None]) -> None:
    run = site.run("llmrack", "status", "-i", site.inventory)
    assert run.code == 0, run.output
    assert all(name in run.output for name in (*LOCAL, *REMOTE)), run.output
    fault("attic", "500")
    run = site.run("llmrack", "status", "-i", site.inventory)
    assert run.code == 1, run.output


def test_models_of_all_stand_in_one_list(site: Site) -> None:
    run = site.run("llmrack", "status", "--models", "--json", "-i", site.inventory)
    every = json.loads(run.output)["rows"]
    rows = {row["name"]: row for row in every if row["kind"] != "gateway"}
    for name in (*LOCAL, "attic"):
        models = {model["name"]: model for model in rows[name]["models"]}
        llama = models["llama3.2:latest"]
        assert llama["context_length"] > 0 and llama["capabilities"], llama


@pytest.mark.parametrize("instance", [*LOCAL, "attic"])
def test_a_chat_with_any_model_on_any_instance(site: Site, instance: str) -> None:
    run = site.run(
        "llmrack", "chat", "llama3.2", "--instance", instance, "-m", "Say hello.",
        "-i", site.inventory,
    )  # fmt: skip
    assert run.code == 0, run.output
    assert instance in run.output


def test_what_is_not_enabled_is_neither_offered_nor_asked(site: Site) -> None:
    url = f"http://{site.lab.host(GATEWAY).address}:4000/v1/models"
    key = {"Authorization": f"Bearer {site.secrets['LITELLM_MASTER_KEY']}"}
    listed = httpx.get(url, headers=key, timeout=30, trust_env=False).json()["data"]
    offered = STACK["models"].keys() - {"qwen-coder-vllm"}
    assert {each["id"] for each in listed} == offered
    assert site.chat(GATEWAY, "qwen-coder-vllm").status_code == 400
    assert asked(site, "vllm") == []


REASONS = {
    "401": "office (https://office.lab:8443) refuses the key (401); give a valid one: "
    "llmrack secrets rotate OFFICE_API_KEY",
    "refuse": "the gateway cannot connect to office (https://office.lab:8443); see whether it runs",
    "missing": "office (https://office.lab:8443) does not know the model 'llama3.2' (404)",
}


@pytest.mark.parametrize("mode", REASONS)
def test_verify_tells_errors_apart_and_says_the_way_out(
    site: Site, fault: Callable[..., None], mode: str
) -> None:
    fault("office", mode)
    found = failures(site)
    assert any(each.startswith(REASONS[mode]) for each in found), found
    assert all("office" in each for each in found), found


def test_nobody_ever_saw_a_key_of_somebody_else(site: Site) -> None:
    own = {
        "office": {"OFFICE_API_KEY", "OFFICE_CLIENT_KEY"},
        "attic": {"ATTIC_API_KEY"},
    }
    for instance in (*LOCAL, *(service.name for service in PROVIDERS)):
        seen = json.dumps(asked(site, instance))
        others = site.secrets.keys() - own.get(instance, set())
        assert [name for name in others if digest(site, name) in seen] == [], instance
        assert [name for name, value in site.secrets.items() if value in seen] == [], instance


def deploy_with(site: Site, **tls: object) -> Run:
    """Deploy the gateway with another declaration of how the office's certificate is verified."""
    stack = copy.deepcopy(STACK)
    office = stack["providers"]["office"]
    del office["tls_ca"]
    office |= tls
    site.declare(HOSTS["hosts"], stack, **HOSTS["data"])
    site.only = GATEWAY
    return site.deploy()


def test_a_certificate_that_nobody_trusts_is_told_from_other_errors(site: Site) -> None:
    run = deploy_with(site)
    assert run.code != 0
    text = " ".join(run.output.split())
    assert "office (https://office.lab:8443) shows a certificate" in text, run.output
    assert "name its authority in providers.office.tls_ca" in text, run.output


def test_verification_can_be_turned_off(site: Site) -> None:
    run = deploy_with(site, tls_verify=False)
    assert run.code == 0, run.output
    assert answering(site, "office/llama3.2") == "office/llama3.2"
