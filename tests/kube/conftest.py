"""One cluster a session, and a namespace of its own for each module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.kube.programs import are_built
from llmrack_lab.lab import Lab
from llmrack_lab.shell import wait_until
from tests import ROOT
from tests.kube.declared import Declared, Images

LAB = ROOT / ".lab"
# Seconds; the controllers look again and again at one that is not empty, and ever more rarely.
NAMESPACE_DEADLINE = 300


def tell(text: str) -> None:
    print(text, flush=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster, with two pretended GPUs; removed at the end unless LLMRACK_TEST_KEEP is set.

    Its programs are built first, or waited for, where LLMRACK_TEST_CLUSTER is set.
    """
    if not are_built(LAB) and not os.environ.get("LLMRACK_TEST_CLUSTER"):
        pytest.skip("the cluster's programs are not built: make test-kube builds them")
    name = os.environ.get("LLMRACK_TEST_LAB", "testk")
    lab = Lab(name, LAB, os.environ.get("LLMRACK_TEST_SUBNET", "10.79.0.0/24"))
    made = Cluster(lab)
    made.up(tell)
    made.set_gpus(2, tell)
    os.environ["KUBECONFIG"] = str(made.config)
    yield made
    if not os.environ.get("LLMRACK_TEST_KEEP"):
        lab.down()


@pytest.fixture(scope="session")
def images(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """What pods run: the gateway's image, built from what llmrack writes, and the lab's Ollama."""
    return Images.of(cluster, tmp_path_factory.mktemp("image"), tell)


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    """A namespace that is not there yet; removed at the end."""
    name = "ml-" + request.module.__name__.rpartition("test_")[2].replace("_", "-")
    there = ("get", "namespace", name, "--ignore-not-found", "--output=name")
    end(cluster, name)
    assert wait_until(lambda: not cluster.kubectl(*there), NAMESPACE_DEADLINE)
    yield name
    end(cluster, name)


def end(cluster: Cluster, namespace: str) -> None:
    """Delete a namespace, and end its pods at once: others need their cards."""
    cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
    at_once = ("--all", "--force", "--grace-period=0", f"--namespace={namespace}")
    cluster.kubectl("delete", "pods", *at_once)


@pytest.fixture(scope="module")
def declared(
    cluster: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Declared:
    """A folder with a declaration for that namespace."""
    return Declared(tmp_path_factory.mktemp("declared"), namespace, cluster)


@pytest.fixture(autouse=True)
def in_its_folder(declared: Declared, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As users do: an inventory is looked for from where the command runs."""
    monkeypatch.chdir(declared.folder)
    return declared.folder
