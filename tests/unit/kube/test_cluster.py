"""A cluster's pods are the hosts of a fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmrack.problems import DeclarationError
from llmrack.secrets.value import Secret
from tests.unit.kube.conftest import CLOUD, MASTER, ONES, Declare

IMAGE = f"ollama/ollama@sha256:{ONES}"


def test_each_pod_of_an_engine_is_a_host_of_the_group_with_its_name(declare: Declare) -> None:
    cluster = declare()
    assert [(host.name, host.address) for host in cluster.site.fleet.group("gpu")] == [
        ("gpu-0", "gpu-0.gpu.ml.svc"),
        ("gpu-1", "gpu-1.gpu.ml.svc"),
    ]
    assert cluster.gateway.name == "litellm"


def test_gateways_know_the_names_of_the_pods_that_come_and_go(declare: Declare) -> None:
    routing = json.loads(declare().configuration["routing.json"])
    assert routing["hosts"] == {"gpu-0": "gpu-0.gpu.ml.svc", "gpu-1": "gpu-1.gpu.ml.svc"}
    assert routing["hosts"].keys() < routing["instances"].keys()


def test_of_a_set_that_something_else_scales_the_most_pods_are_asked(declare: Declare) -> None:
    cluster = declare({"engines.gpu.replicas": None, "engines.gpu.most": 4})
    assert len(cluster.site.fleet.group("gpu")) == 4


def test_hosts_of_an_inventory_run_models_beside_the_pods(declare: Declare, folder: Path) -> None:
    (folder / "inventory").write_text(
        'gpu = [("box1", {"ssh_hostname": "10.0.0.1", "ollama_bind": "0.0.0.0"})]\n'
        'gateway = [("box2", {"ssh_hostname": "10.0.0.2"})]\n'
    )
    cluster = declare({"inventory": "inventory"})
    assert [host.name for host in cluster.site.fleet.group("gpu")] == ["box1", "gpu-0", "gpu-1"]
    assert [host.name for host in cluster.site.fleet.gateways] == ["litellm"]
    routing = json.loads(cluster.configuration["routing.json"])
    assert {"box1", "gpu-0", "gpu-1"} < routing["instances"].keys()
    assert "box1" not in routing["hosts"]


@pytest.mark.parametrize(
    ("tag", "version"),
    [(":0.34.4", "0.34.4"), (":v0.33.1", "0.33.1"), (":latest", "0.0.0"), ("", "0.0.0")],
)
def test_the_tag_of_an_image_says_which_version_is_proven(
    declare: Declare, tag: str, version: str
) -> None:
    cluster = declare({"engines.gpu.image": f"ollama/ollama{tag}@sha256:{'1' * 64}"})
    assert cluster.site.fleet.group("gpu")[0].settings.ollama_version == version


def test_an_engine_without_gpus_may_serve_from_its_cpu(declare: Declare) -> None:
    cluster = declare({"engines.gpu.gpus": None})
    assert not cluster.site.fleet.group("gpu")[0].settings.gpu_required


def test_keys_come_from_where_secrets_are_kept(declare: Declare) -> None:
    values = {name: secret.reveal() for name, secret in declare().secrets.items()}
    assert values == {"LITELLM_MASTER_KEY": MASTER, "OLLAMA_API_KEY": CLOUD}


def test_of_a_given_secret_the_values_need_not_be_known(declare: Declare, folder: Path) -> None:
    (folder / ".env").unlink()
    assert declare({"secret_is_given": True}).secrets.keys() == {
        "LITELLM_MASTER_KEY",
        "OLLAMA_API_KEY",
    }


def test_a_key_that_a_given_secret_lacks_is_named(declare: Declare, folder: Path) -> None:
    (folder / ".env").unlink()
    with pytest.raises(DeclarationError, match="OLLAMA_API_KEY"):
        declare({"secret_is_given": True}, given={"LITELLM_MASTER_KEY": Secret(MASTER)})


@pytest.mark.parametrize(
    ("changes", "stack", "said"),
    [
        (
            {"engines.spare": {"image": IMAGE}},
            {},
            "engines.spare: no provider of kind ollama has the group 'spare'; name the group in "
            "stack.yaml, or take the engine out",
        ),
        (
            {"settings": {"ollama_instances": "per-gpu"}},
            {},
            "settings.ollama_instances: has no effect in a cluster; take it out",
        ),
        (
            {},
            {"models.assistant.create.system": 'Say """no""" more.'},
            "engines.gpu: assistant:latest has a text with three quotes in a row, or with one at "
            "its end; write other quotes: no Modelfile can have these",
        ),
        (
            {},
            {"models.own": {"provider": "local", "create": {"gguf": "own.gguf", "sha256": ONES}}},
            "engines.gpu: own:latest is made from a local file, which no pod has; serve it from a "
            "host, or push it to a registry and pull it from there",
        ),
    ],
)
def test_what_no_pod_can_be_is_told(
    declare: Declare,
    folder: Path,
    changes: dict[str, Any],
    stack: dict[str, Any],
    said: str,
) -> None:
    (folder / "own.gguf").write_bytes(b"GGUF")
    with pytest.raises(DeclarationError) as caught:
        declare(changes, stack)
    assert said in str(caught.value)


def test_a_host_that_is_called_like_a_pod_is_told(declare: Declare, folder: Path) -> None:
    (folder / "inventory").write_text(
        'gpu = [("gpu-1", {"ssh_hostname": "10.0.0.1", "ollama_bind": "0.0.0.0"})]\n'
    )
    with pytest.raises(DeclarationError, match="a host of the inventory is called gpu-1"):
        declare({"inventory": "inventory"})
