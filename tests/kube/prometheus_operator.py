"""The kinds of Prometheus Operator, without the operator: the cluster takes such objects then."""

from __future__ import annotations

from llmrack.kube.form import Object
from llmrack_lab.kube.cluster import Cluster

KINDS = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


def install(cluster: Cluster) -> None:
    """Make them known, and wait until they are."""
    for plural, kind in KINDS.items():
        names = {"kind": kind, "plural": plural, "singular": kind.lower()}
        spec = DEFINITION["spec"] | {"names": names}
        cluster.apply([DEFINITION | {"metadata": {"name": _full(plural)}, "spec": spec}])
        wait = ("wait", "--for=condition=Established", "--timeout=60s")
        cluster.kubectl(*wait, f"crd/{_full(plural)}")


def uninstall(cluster: Cluster) -> None:
    """Make them unknown, with all objects of these kinds."""
    cluster.kubectl("delete", "crd", "--ignore-not-found", *map(_full, KINDS))


def _full(plural: str) -> str:
    return f"{plural}.monitoring.coreos.com"
