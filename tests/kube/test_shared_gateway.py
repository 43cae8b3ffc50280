"""Scenario: the shared gateway of a cluster, cloud first with local fallback, in its namespace."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest
import yaml

from llmrack.kube.kubectl import Kubectl
from llmrack.kube.proof import gateway_client
from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.kube.declared import Declared, Images, llmrack
from tests.kube.prometheus_operator import install
from tests.scenarios.test_shared_gateway import FAILOVER, LINKS, MARKERS, REST, STACK

KEPT = {"SOMEBODY_ELSES": "kept"}
BEGINS = MARKERS | {"ollama-qwen": "[gpu-"}


@pytest.fixture(scope="module")
def way(declared: Declared, cluster: Cluster) -> Kubectl:
    """To the namespace, with the Secret as a person has begun it."""
    install(cluster)
    cluster.kubectl("create", "namespace", declared.namespace)
    way = declared.way()
    literals = (f"--from-literal={name}={value}" for name, value in KEPT.items())
    way.run("create", "secret", "generic", "litellm-keys", *literals)
    return way


@pytest.fixture(scope="module")
def serving(declared: Declared, images: Images, way: Kubectl) -> Declared:
    """The scenario, applied once it was reviewed."""
    declared.use(images)
    declared.stack = STACK
    declared.change(
        kube={
            "secret": "litellm-keys",
            "settings.gateway_cooldown": REST,
            "monitoring": True,
            "engines.gpu.replicas": 1,
        }
    )
    shown = declared.llmrack("diff")
    assert shown.returncode == 1 and "Deployment" in shown.stdout, shown.stderr
    assert way.get("deployment", "litellm") is None
    declared.applied()
    return declared


@pytest.fixture(scope="module")
def client(serving: Declared, way: Kubectl) -> Iterator[httpx.Client]:
    """A client of the gateway, with the master key."""
    with gateway_client(serving.read(), way) as client:
        client.headers["Authorization"] = f"Bearer {serving.keys['LITELLM_MASTER_KEY']}"
        client.timeout = httpx.Timeout(60)
        yield client


@pytest.fixture
def well(serving: Declared, client: httpx.Client) -> Iterator[httpx.Client]:
    """The client, once every model answers by itself; nobody fails afterwards."""
    for name, marker in BEGINS.items():
        assert wait_until(partial(answers, client, name, marker), DEADLINE), name
    yield client
    for service in ("cloud", "vllm"):
        serving.cluster.lab.fault(service, "ok")


def ask(client: httpx.Client, model: str) -> httpx.Response:
    message = {"role": "user", "content": "Say hello."}
    return client.post("/v1/chat/completions", json={"model": model, "messages": [message]})


def said(client: httpx.Client, model: str) -> str:
    answer = ask(client, model)
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text}"
    return str(answer.json()["choices"][0]["message"]["content"])


def answers(client: httpx.Client, model: str, marker: str) -> bool:
    return said(client, model).startswith(marker)


def test_the_secret_has_the_keys_of_both(serving: Declared, way: Kubectl) -> None:
    data = (way.get("secret", "litellm-keys") or {})["data"]
    found = {name: base64.b64decode(value).decode() for name, value in data.items()}
    names = ("LITELLM_MASTER_KEY", "OLLAMA_API_KEY", "VLLM_API_KEY", "OPENAI_API_KEY")
    assert found == KEPT | {name: serving.keys[name] for name in names}


def test_the_gateway_lists_every_model(well: httpx.Client) -> None:
    assert {model["id"] for model in well.get("/v1/models").json()["data"]} == set(BEGINS)


def test_an_answer_of_the_cloud_is_no_fallback(well: httpx.Client) -> None:
    answer = ask(well, "cloud-kimi")
    assert answer.headers["x-litellm-attempted-fallbacks"] == "0"
    assert answer.headers["x-litellm-model-id"].endswith("/cloud-kimi")


def test_the_cloud_has_its_timeout_and_every_key_is_a_reference(
    serving: Declared, way: Kubectl
) -> None:
    chosen = "app.kubernetes.io/part-of=litellm"
    maps = way.objects("configmaps", chosen)
    assert not any(key in json.dumps(maps) for key in serving.keys.values())
    (config,) = (one["data"]["config.yaml"] for one in maps if "config.yaml" in one["data"])
    rows = {
        row["model_name"]: row["litellm_params"] for row in yaml.safe_load(config)["model_list"]
    }
    assert rows["cloud-kimi"]["timeout"] == 60
    assert rows["cloud-kimi"]["api_key"] == "os.environ/OLLAMA_API_KEY"


@pytest.mark.parametrize(
    ("head", "between", "follower"), LINKS, ids=[f"{head} to {last}" for head, _, last in LINKS]
)
def test_the_next_in_the_chain_answers_within_5_seconds(
    serving: Declared, well: httpx.Client, head: str, between: list[str], follower: str
) -> None:
    failing = [head, *between]
    cloud = [STACK["models"][name]["model"] for name in failing if name.startswith("cloud")]
    # All of its models where it is more than one.
    if cloud:
        serving.cluster.lab.fault("cloud", "hang", cloud[0] if len(cloud) == 1 else None)
    if "vllm-qwen" in failing:
        serving.cluster.lab.fault("vllm", "hang")
    began = time.monotonic()
    content = said(well, head)
    took = time.monotonic() - began
    assert content.startswith(BEGINS[follower])
    assert took < FAILOVER * len(failing)


def test_an_explicit_model_stands_in_for_nobody(serving: Declared, well: httpx.Client) -> None:
    serving.change(stack={"chains.cloud-kimi": ["openai-gpt4o"]})
    checked = llmrack("check", cwd=serving.folder)
    serving.change(stack={"chains.cloud-kimi": STACK["chains"]["cloud-kimi"]})
    assert checked.returncode == 1
    assert "'openai-gpt4o' is explicit_only and may stand in no chain" in checked.stdout


def test_a_tag_that_the_cloud_does_not_list_is_refused_before_anything_is_changed(
    serving: Declared, way: Kubectl
) -> None:
    before = way.get("deployment", "litellm")
    serving.change(stack={"models.cloud-kimi.model": "kimi-k3"})
    refused = " ".join(serving.failed(2).split())
    serving.change(stack={"models.cloud-kimi.model": "kimi-k2.5"})
    assert "models.cloud-kimi: provider 'cloud' does not list a model 'kimi-k3'" in refused
    assert "nothing was changed" in refused
    assert way.get("deployment", "litellm") == before


def test_requests_are_in_the_metrics_for_who_has_the_key(way: Kubectl, well: httpx.Client) -> None:
    monitor = way.get("servicemonitor", "litellm") or {}
    (endpoint,) = monitor["spec"]["endpoints"]
    where = endpoint["authorization"]["credentials"]
    data = (way.get("secret", where["name"]) or {})["data"]
    key = base64.b64decode(data[where["key"]]).decode()
    ask(well, "cloud-kimi")
    metrics = well.get(endpoint["path"], headers={"Authorization": f"Bearer {key}"})
    assert metrics.status_code == 200 and 'model="cloud-kimi"' in metrics.text
    assert well.get(endpoint["path"], headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_second_run_changes_nothing(serving: Declared) -> None:
    assert "nothing was to change" in serving.applied()
