"""A stack in a cluster, in a folder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmrack.kube.cluster import Cluster, read_cluster
from llmrack.kube.form import Object
from llmrack.kube.objects.all import namespace, objects
from llmrack.secrets.value import Secret

ZEROS, ONES = "0" * 64, "1" * 64
KUBE: dict[str, Any] = {
    "namespace": "ml",
    "gateway": {"name": "litellm", "image": f"registry.example.org/gateway@sha256:{ZEROS}"},
    "engines": {
        "gpu": {
            "image": f"docker.io/ollama/ollama:0.34.4@sha256:{ONES}",
            "replicas": 2,
            "gpus": {"kind": "l4"},
        }
    },
    "gpus": {"l4": {}},
}
STACK: dict[str, Any] = {
    "providers": {
        "local": {"kind": "ollama"},
        "cloud": {"kind": "ollama-cloud"},
    },
    "models": {
        "llama3.2:1b": {"provider": "local"},
        "assistant": {
            "provider": "local",
            "create": {"from": "llama3.2:1b", "system": "Be short."},
        },
        "cloud-kimi": {"provider": "cloud", "model": "kimi-k2.5", "timeout": 60},
    },
    "chains": {"cloud-kimi": ["llama3.2:1b"]},
}
MASTER, CLOUD = "sk-canary-master-0123456789", "canary-cloud-0123456789"
Declare = Callable[..., Cluster]


def merged(into: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with changes, by keys with a dot between the parts of a path; None takes one out."""
    made = copy.deepcopy(into)
    for path, value in changes.items():
        *folders, last = path.split(".")
        place = made
        for folder in folders:
            place = place.setdefault(folder, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("LITELLM_MASTER_KEY", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stack.yaml").write_text(yaml.safe_dump(STACK, sort_keys=False))
    (tmp_path / ".env").write_text(f"LITELLM_MASTER_KEY={MASTER}\nOLLAMA_API_KEY={CLOUD}\n")
    (tmp_path / ".env").chmod(0o600)
    yield tmp_path


@pytest.fixture
def declare(folder: Path) -> Declare:
    """Reads a declaration with changes to ``kube.yaml``, and to the stack in ``stack``."""

    def read(
        changes: dict[str, Any] | None = None,
        stack: dict[str, Any] | None = None,
        given: dict[str, Secret] | None = None,
    ) -> Cluster:
        text = yaml.safe_dump(merged(KUBE, changes or {}), sort_keys=False)
        (folder / "kube.yaml").write_text(text)
        (folder / "stack.yaml").write_text(yaml.safe_dump(merged(STACK, stack or {})))
        return read_cluster(folder, given)

    return read


@pytest.fixture
def objects_of(declare: Declare) -> Callable[..., dict[str, Object]]:
    """The objects of a declaration by kind and name, without digests: ``Service gpu``."""

    def made(*changes: Any) -> dict[str, Object]:
        cluster = declare(*changes)
        return {named(one): one for one in (namespace(cluster), *objects(cluster))}

    return made


def named(one: Object) -> str:
    name = str(one["metadata"]["name"])
    head, _, last = name.rpartition("-")
    return f"{one['kind']} {head if one.get('immutable') and len(last) == 12 else name}"


EVERYTHING: dict[str, Any] = {
    "pull_secrets": ["regcred"],
    "monitoring": True,
    "engines.gpu.storage_class": "fast",
    "gpus.l4": {
        "node_labels": {"nvidia.com/gpu.product": "NVIDIA-L4"},
        "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
        "runtime_class": "nvidia",
    },
    "engines.cpu": {
        "image": f"docker.io/ollama/ollama@sha256:{ONES}",
        "most": 3,
    },
    "gateway.ingress": {
        "host": "llm.example.org",
        "class_name": "nginx",
        "tls_secret": "llm-tls",
        "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
    },
    "gateway.route": {
        "host": "llm.example.org",
        "gateway": "public",
        "gateway_namespace": "edge",
    },
    "gateway.from_namespaces": ["apps"],
}
EVERYTHING_STACK: dict[str, Any] = {
    "providers.slow": {"kind": "ollama", "group": "cpu"},
    "models.tiny": {"provider": "slow", "model": "llama3.2:1b"},
}
