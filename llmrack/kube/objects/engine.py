"""An engine: a StatefulSet with a claim for each pod, and its headless Service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmrack.kube.cluster import Cluster
from llmrack.kube.engine import CLAIM, FILES, PodEngine
from llmrack.kube.engines import engine_of
from llmrack.kube.form import CONTAINER_SECURITY, POD_SECURITY, Object, Part, digest
from llmrack.kube.objects.gateway import part as gateway_part
from llmrack.kube.settings import Engine, GpuKind
from llmrack.resources.script import script_text
from llmrack.stack.fleet import Host

# The container that gets the models before the server starts, and the server's.
LOADER, SERVER = "models", "server"
DRAIN_SCRIPT = "drain"
# Seconds that a server may take to start; it finds its cards then.
START = 120
# Seconds that requests get when a pod is told to end, and those of them until every gateway knows
# (presence.py: two between its looks, and five that answers of Kubernetes' DNS are kept).
DRAIN, NOTICE = 300, 9


def model_list(cluster: Cluster, name: str) -> Object:
    """The models of an engine and how they are got, as a ConfigMap named by its content."""
    pod, engine = _pod(cluster, name), _engine(cluster, name)
    files = {**engine.files(cluster.site, pod), DRAIN_SCRIPT: script_text("kube/drain.sh")}
    object_ = _part(cluster, name).made("v1", "ConfigMap", f"{name}-models-{digest(files)}")
    return object_ | {"immutable": True, "data": dict(sorted(files.items()))}


def stateful_set(cluster: Cluster, name: str, models: Mapping[str, Any]) -> Object:
    """The pods of an engine; an update takes the next one when the one before has its models.

    + models: the list that they get
    """
    declared, part = cluster.kube.engines[name], _part(cluster, name)
    kind = cluster.kube.gpus[declared.gpus.kind] if declared.gpus else None
    pod: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": dict(POD_SECURITY),
        "terminationGracePeriodSeconds": DRAIN,
        "initContainers": [_loader(cluster, name)],
        "containers": [_server(cluster, name)],
        "volumes": [
            {"name": "files", "configMap": {"name": models["metadata"]["name"]}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if cluster.kube.pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret} for secret in cluster.kube.pull_secrets]
    if kind:
        pod |= _placed(kind)
    spec: Object = {
        "serviceName": name,
        "selector": {"matchLabels": part.selector},
        "podManagementPolicy": "Parallel",
        # An update raises it first, and proves each pod before the next (apply.py).
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "minReadySeconds": 5,
        "revisionHistoryLimit": 5,
        # Models outlive the pods and the set.
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "template": {"metadata": {"labels": part.labels}, "spec": pod},
        "volumeClaimTemplates": [_claim(declared)],
    }
    if declared.replicas is not None:
        spec["replicas"] = declared.replicas
    return part.made("apps/v1", "StatefulSet") | {"spec": spec}


def service(cluster: Cluster, name: str) -> Object:
    """The names of the pods that are ready; gateways choose among them (presence.py)."""
    port = _engine(cluster, name).port(_pod(cluster, name))
    return _part(cluster, name).made("v1", "Service") | {
        "spec": {
            "clusterIP": "None",
            "selector": _part(cluster, name).selector,
            "ports": [{"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}],
        }
    }


def disruption_budget(cluster: Cluster, name: str) -> Object:
    """Drained nodes take one pod at a time."""
    object_ = _part(cluster, name).made("policy/v1", "PodDisruptionBudget")
    chosen = {"matchLabels": _part(cluster, name).selector}
    spec = {"maxUnavailable": 1, "selector": chosen, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    return object_ | {"spec": spec}


def network_policy(cluster: Cluster, name: str) -> Object:
    """Only the gateways reach an engine, which has no authentication of its own."""
    object_ = _part(cluster, name).made("networking.k8s.io/v1", "NetworkPolicy")
    rule = {
        "from": [{"podSelector": {"matchLabels": gateway_part(cluster).selector}}],
        "ports": [{"port": "http", "protocol": "TCP"}],
    }
    chosen = {"matchLabels": _part(cluster, name).selector}
    return object_ | {
        "spec": {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": [rule]}
    }


def _part(cluster: Cluster, name: str) -> Part:
    return Part(cluster.name, cluster.namespace, _engine(cluster, name).kind, name)


def _engine(cluster: Cluster, name: str) -> PodEngine:
    return engine_of(cluster.kube.engines[name])


def _pod(cluster: Cluster, name: str) -> Host:
    """One of the engine's pods; they have the same models."""
    return cluster.pods_of(name)[0]


def _server(cluster: Cluster, name: str) -> Object:
    engine = _engine(cluster, name)
    port = engine.port(_pod(cluster, name))
    answers = {"httpGet": {"path": engine.alive, "port": "http"}}
    return _container(cluster, name, SERVER) | {
        "command": list(engine.serve),
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "resources": _resources(cluster, cluster.kube.engines[name]),
        "startupProbe": answers
        | {"periodSeconds": 2, "failureThreshold": START // 2, "timeoutSeconds": 5},
        "readinessProbe": {"exec": {"command": list(engine.ready)}}
        # A pod that is busy stays ready.
        | {"periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 10},
        "livenessProbe": answers
        | {"periodSeconds": 20, "failureThreshold": 6, "timeoutSeconds": 10},
        "lifecycle": {
            "preStop": {
                "exec": {"command": ["/bin/sh", f"{FILES}/{DRAIN_SCRIPT}", str(port), str(NOTICE)]}
            }
        },
    }


def _loader(cluster: Cluster, name: str) -> Object:
    declared = cluster.kube.engines[name]
    return _container(cluster, name, LOADER) | {
        "command": list(_engine(cluster, name).load),
        # The server's, before it: a pod asks for the most that one of them does.
        "resources": {
            "requests": {"cpu": declared.cpu, "memory": declared.memory},
            "limits": {"memory": declared.memory},
        },
    }


def _container(cluster: Cluster, name: str, called: str) -> Object:
    variables = {**_engine(cluster, name).environment(_pod(cluster, name)), "HOME": CLAIM}
    return {
        "name": called,
        "image": cluster.kube.engines[name].image,
        "env": [{"name": key, "value": value} for key, value in sorted(variables.items())],
        "securityContext": dict(CONTAINER_SECURITY),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "models", "mountPath": CLAIM},
            {"name": "files", "mountPath": FILES, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (of the pod alone)
        ],
    }


def _resources(cluster: Cluster, engine: Engine) -> Object:
    asked: dict[str, Any] = {"cpu": engine.cpu, "memory": engine.memory}
    limits: dict[str, Any] = {"memory": engine.memory}
    if engine.gpus:
        resource = cluster.kube.gpus[engine.gpus.kind].resource
        limits[resource] = asked[resource] = str(engine.gpus.count)
    return {"requests": asked, "limits": limits}


def _placed(kind: GpuKind) -> Object:
    placed: Object = {}
    if kind.node_labels:
        placed["nodeSelector"] = dict(kind.node_labels)
    if kind.tolerations:
        placed["tolerations"] = [taint.model_dump(exclude_none=True) for taint in kind.tolerations]
    if kind.runtime_class:
        placed["runtimeClassName"] = kind.runtime_class
    return placed


def _claim(engine: Engine) -> Object:
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": engine.storage}},
    }
    if engine.storage_class:
        spec["storageClassName"] = engine.storage_class
    return {"metadata": {"name": "models"}, "spec": spec}
