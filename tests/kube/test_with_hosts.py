"""A gateway in the cluster uses an Ollama on a host of ours beside its own pods."""

from __future__ import annotations

import pytest

from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.kube.conftest import tell
from tests.kube.declared import Declared, Images
from tests.lab.load import lost
from tests.lab.site import Site
from tests.unit.kube.conftest import STACK


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A host with a gateway of its own, whose Ollama admits the node."""
    cluster.lab.up(1, tell)
    site = Site(cluster.lab, tmp_path_factory.mktemp("hosts"))
    hosts = {"box1": ("gpu", "gateway")}
    site.declare(hosts, STACK, ollama_bind="0.0.0.0", ollama_admitted=[cluster.address])
    site.deployed()
    return site


def test_the_gateway_asks_the_host_and_its_pods(
    declared: Declared, images: Images, site: Site
) -> None:
    declared.use(images)
    inventory = {"inventory": str(site.folder / "inventory"), "engines.gpu.replicas": 1}
    # The hosts' is another file with the same.
    declared.change(kube=inventory | {"settings.stack_file": str(site.folder / "stack.yaml")})
    said = declared.applied()
    assert "llama3.2:1b  box1" in said and "llama3.2:1b  gpu-0" in said
    with declared.load() as load:
        both = {"box1", "gpu-0"}
        assert wait_until(lambda: {answer.by for answer in load.so_far} == both, DEADLINE)
    assert not lost(load.answers)
    assert "nothing was to change" in declared.applied()
