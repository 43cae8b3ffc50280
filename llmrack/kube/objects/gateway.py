"""The gateway: releases as immutable ConfigMaps, a Deployment, its Service and what guards it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmrack.kube.cluster import Cluster
from llmrack.kube.form import (
    CONTAINER_SECURITY,
    POD_SECURITY,
    Object,
    Part,
    digest,
)
from llmrack.kube.settings import Gateway

COMPONENT = "gateway"
PORT = 4000
# Each pod has an address of its own.
LISTEN = f"0.0.0.0:{PORT}"
# Where a pod has the files of its release, and where it may write.
RELEASE, WRITABLE, PYTHON = "/etc/llmrack/release", "/var/lib/llmrack", "/opt/llmrack/bin/python"
HEALTH = f"{WRITABLE}/health.json"
CONTAINER = "gateway"
# Bytes that one of the pod's two logs may take; a pod that fills its disk (2Gi) is ended at once.
LOG_BYTES = 512 * 2**20
# Bytes of one ConfigMap; Kubernetes takes 1 MiB with its names.
LARGEST = 900 * 1024
# Seconds that a pod still answers after it was told to end: until all nodes know that it has gone.
NOTICE = 5
# Seconds after which a gateway that does not answer is ended; as WatchdogSec= on hosts.
PATIENCE = 40


def part(cluster: Cluster) -> Part:
    """What the gateway's objects have in common."""
    return Part(cluster.name, cluster.namespace, COMPONENT, cluster.name)


def release_maps(cluster: Cluster) -> list[Object]:
    """The files of the release, as immutable ConfigMaps that are named by their content."""
    gateway = cluster.kube.gateway
    found = []
    for group, files in (("config", cluster.configuration), ("programs", cluster.programs)):
        name = f"{gateway.name}-{group}-{digest(files)}"
        object_ = part(cluster).made("v1", "ConfigMap", name)
        found.append(object_ | {"immutable": True, "data": {_key(p): t for p, t in files.items()}})
    return found


def deployment(cluster: Cluster, maps: list[Object], key_digest: str) -> Object:
    """The pods of the gateway.

    + maps: of the release that they run
    + key_digest: changes when one of their keys does
    """
    gateway = cluster.kube.gateway
    chosen = part(cluster).selector
    drain = int(cluster.settings.gateway_drain)
    pod: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": dict(POD_SECURITY),
        "terminationGracePeriodSeconds": drain + NOTICE + 15,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": chosen},
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
        "containers": [_container(cluster, gateway)],
        "volumes": [
            {"name": "release", "projected": {"sources": [_source(one) for one in maps]}},
            {"name": "state", "emptyDir": {"sizeLimit": "2Gi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }
    if cluster.kube.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in cluster.kube.pull_secrets]
    spec: Object = {
        "selector": {"matchLabels": chosen},
        "minReadySeconds": 2,
        "progressDeadlineSeconds": 600,
        "revisionHistoryLimit": 5,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "template": {
            "metadata": {
                "labels": part(cluster).labels,
                "annotations": {"llmrack/keys": key_digest},
            },
            "spec": pod,
        },
    }
    if gateway.replicas is not None:
        spec["replicas"] = gateway.replicas
    object_ = part(cluster).made("apps/v1", "Deployment")
    return object_ | {"spec": spec}


def _container(cluster: Cluster, gateway: Gateway) -> Object:
    asked = {"cpu": gateway.cpu, "memory": gateway.memory}
    answers = {"httpGet": {"path": "/health/readiness", "port": "http"}}
    lives = {"httpGet": {"path": "/health/liveliness", "port": "http"}}
    return {
        "name": CONTAINER,
        "image": gateway.image,
        "command": [PYTHON, "-I", f"{RELEASE}/serve.py", "--strict", "--listen", LISTEN],
        "workingDir": RELEASE,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [
            *({"name": name, "value": value} for name, value in _variables(cluster).items()),
            *(
                {"name": name, "valueFrom": {"secretKeyRef": _key_of(cluster, name)}}
                for name in cluster.secrets
            ),
        ],
        "resources": {"requests": asked, "limits": {"memory": gateway.memory}},
        "securityContext": dict(CONTAINER_SECURITY),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "startupProbe": answers | _probe(every=2, times=60, timeout=5),
        "readinessProbe": answers | _probe(every=5, times=2, timeout=5),
        # It asks no model: a pod whose providers fail is a good one.
        "livenessProbe": lives | _probe(every=10, times=PATIENCE // 10, timeout=10),
        "lifecycle": {"preStop": {"sleep": {"seconds": NOTICE}}},
        "volumeMounts": [
            {"name": "release", "mountPath": RELEASE, "readOnly": True},
            {"name": "state", "mountPath": WRITABLE},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (of the pod alone)
        ],
    }


def _probe(every: int, times: int, timeout: int) -> dict[str, int]:
    return {"periodSeconds": every, "failureThreshold": times, "timeoutSeconds": timeout}


def _variables(cluster: Cluster) -> dict[str, str]:
    return {
        **cluster.variables,
        "CONFIG_FILE_PATH": f"{RELEASE}/config.yaml",
        "LLMRACK_REQUEST_LOG": f"{WRITABLE}/requests.jsonl",
        "LLMRACK_LOG_DAYS": str(cluster.settings.gateway_log_days),
        "LLMRACK_LOG_BYTES": str(LOG_BYTES),
        "HOME": WRITABLE,
        "RUNTIME_DIRECTORY": WRITABLE,
    }


def service(cluster: Cluster) -> Object:
    """The one address of all pods."""
    object_ = part(cluster).made("v1", "Service")
    port = {"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}
    chosen = part(cluster).selector
    return object_ | {"spec": {"type": "ClusterIP", "selector": chosen, "ports": [port]}}


def disruption_budget(cluster: Cluster) -> Object:
    """Drained nodes take one pod at a time."""
    object_ = part(cluster).made("policy/v1", "PodDisruptionBudget")
    chosen = {"matchLabels": part(cluster).selector}
    return object_ | {
        "spec": {
            "maxUnavailable": 1,
            "selector": chosen,
            # A pod that never gets ready holds no node back.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }
    }


def network_policy(cluster: Cluster) -> Object:
    """Who may ask the gateway; nothing but its port is open."""
    gateway = cluster.kube.gateway
    object_ = part(cluster).made("networking.k8s.io/v1", "NetworkPolicy")
    rule: Object = {"ports": [{"port": "http", "protocol": "TCP"}]}
    if gateway.from_namespaces is not None:
        names = sorted({cluster.namespace, *_of_route(gateway), *gateway.from_namespaces})
        rule["from"] = [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
            for name in names
        ]
    chosen = {"matchLabels": part(cluster).selector}
    return object_ | {
        "spec": {"podSelector": chosen, "policyTypes": ["Ingress"], "ingress": [rule]}
    }


def _of_route(gateway: Gateway) -> set[str]:
    """The namespace that requests of the HTTPRoute come from, if it is another one."""
    route = gateway.route
    return {route.gateway_namespace} if route and route.gateway_namespace else set()


def _key(path: str) -> str:
    """The key of a file in a ConfigMap, which has no folders."""
    return path.replace("/", "..")


def _source(release_map: Mapping[str, Any]) -> Object:
    items = [{"key": key, "path": key.replace("..", "/")} for key in release_map["data"]]
    return {"configMap": {"name": release_map["metadata"]["name"], "items": items}}


def _key_of(cluster: Cluster, name: str) -> Object:
    reference: Object = {"name": cluster.kube.secret, "key": name}
    # Who fills the Secret may leave out what no provider needs.
    return reference | {"optional": True} if cluster.kube.secret_is_given else reference
