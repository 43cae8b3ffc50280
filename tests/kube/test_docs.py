"""Every command of docs/kubernetes.md runs as it stands there, but for that which ends the lab."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from llmrack_lab.kube.cluster import Cluster
from tests import COMMAND_DEADLINE, ROOT
from tests.kube.declared import Declared, Images
from tests.lab.docs_pages import IN_CLUSTER, commands


@pytest.fixture
def shown(declared: Declared, images: Images, cluster: Cluster) -> Declared:
    """What the page shows, with images of the lab and little CPU, on a node with that label."""
    text = (ROOT / IN_CLUSTER).read_text()
    found = re.search(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    assert found
    declared.use(images)
    page = yaml.safe_load(found[1])
    page["gateway"] |= declared.kube["gateway"]
    page["engines"]["gpu"] |= declared.kube["engines"]["gpu"]
    declared.kube = page | {"namespace": declared.namespace}
    declared.write()
    (labels,) = (kind["node_labels"] for kind in page["gpus"].values())
    cluster.kubectl("label", "node", "node1", *(f"{key}={of}" for key, of in labels.items()))
    (declared.folder / ".lab").symlink_to(ROOT / ".lab")
    return declared


def test_the_commands_of_the_page_run(shown: Declared, cluster: Cluster) -> None:
    for command in commands(IN_CLUSTER):
        if command == "llmrack lab kube down":
            continue
        lab_itself = command.startswith("llmrack lab ")
        words = ["bash", "-c", command]
        done = subprocess.run(
            words if lab_itself else cluster.beside(*words),
            cwd=shown.folder,
            env=os.environ
            | {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "LLMRACK_LAB": cluster.lab.name,
            },
            input="y\n",
            capture_output=True,
            text=True,
            timeout=COMMAND_DEADLINE,
        )
        # A difference is no failure.
        fine = (0, 1) if command == "llmrack kube diff" else (0,)
        assert done.returncode in fine, f"{command}\n{done.stdout}{done.stderr}"
