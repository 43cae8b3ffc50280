"""What a run would change in a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llmrack.kube.cluster import Cluster
from llmrack.kube.form import MANAGED_BY, MANAGER, PART_OF, Object, identity
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.objects.all import namespace, objects
from llmrack.kube.ownership import ours
from llmrack.kube.refusals import insist_on_ours, tried

# Every kind that is made here, by its resource's name; a cluster may not know the last ones.
KINDS = (
    "configmaps",
    "secrets",
    "services",
    "statefulsets.apps",
    "deployments.apps",
    "poddisruptionbudgets.policy",
    "networkpolicies.networking.k8s.io",
    "ingresses.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "servicemonitors.monitoring.coreos.com",
    "prometheusrules.monitoring.coreos.com",
)


@dataclass(frozen=True)
class Plan:
    """What a run would change.

    + wanted: everything that is declared
    + before: those that exist, by their identities
    + changed: those of ``wanted`` that would be made or changed
    + unwanted: objects of this stack that are no longer declared
    """

    wanted: tuple[Object, ...]
    before: Mapping[str, Object]
    changed: tuple[Object, ...]
    unwanted: tuple[Object, ...]


def plan(cluster: Cluster, kubectl: Kubectl) -> Plan:
    """Compare what is declared with the cluster, which has the namespace already.

    Raises Refused and KubectlError.
    """
    declared = objects(cluster)
    try:
        before = {identity(one): one for one in kubectl.present(declared)}
    except KubectlError:
        # Says which of them the cluster does not know.
        tried(kubectl, declared)
        raise
    insist_on_ours(declared, before)
    wanted = [_as_scaled(one, before.get(identity(one)), kubectl.manager) for one in declared]
    then = tried(kubectl, wanted)
    differing = {
        identity(one)
        for one in then
        if _content(one, kubectl.manager) != _content(before.get(identity(one)), kubectl.manager)
    }
    names = {identity(one) for one in wanted}
    return Plan(
        tuple(wanted),
        before,
        tuple(one for one in wanted if identity(one) in differing),
        tuple(one for one in objects_of(cluster.name, kubectl) if identity(one) not in names),
    )


def difference(cluster: Cluster, kubectl: Kubectl) -> str:
    """What ``apply`` would change, as a diff; values of secrets are left out by kubectl itself.

    Raises KubectlError, and Refused as ``apply``.
    """
    if kubectl.get("namespace", cluster.namespace) is None:
        names = [identity(one) for one in (namespace(cluster), *objects(cluster))]
        return "".join(f"+ {name}\n" for name in names)
    planned = plan(cluster, kubectl)
    changes = kubectl.diff(planned.changed) if planned.changed else ""
    unneeded = without_needed(planned.unwanted, cluster.name, kubectl)
    return changes + "".join(f"- {identity(one)}\n" for one in unneeded)


def objects_of(stack: str, kubectl: Kubectl) -> list[Object]:
    """Every object that llmrack made for a stack, besides the keys, the namespace and claims."""
    # It fails, too, if one of the cluster's other interfaces does not answer.
    words = ("api-resources", "--verbs=delete", "--namespaced", "--output=name")
    known = kubectl.run(*words, accepted=(0, 1)).stdout
    kinds = ",".join(kind for kind in KINDS if kind in known.split())
    return kubectl.objects(kinds, f"{PART_OF}={stack},{MANAGED_BY}={MANAGER}")


def without_needed(unwanted: Iterable[Object], stack: str, kubectl: Kubectl) -> list[Object]:
    """The unwanted objects but for the files of releases that a Deployment can go back to."""
    needed: set[str] = set()
    for kind in ("replicasets", "controllerrevisions"):
        for one in kubectl.objects(kind, f"{PART_OF}={stack}"):
            needed |= _config_maps(one)
    return [
        one
        for one in unwanted
        if one["kind"] != "ConfigMap" or one["metadata"]["name"] not in needed
    ]


def _as_scaled(one: Object, there: Object | None, manager: str) -> Object:
    """An object with the replicas that it has, if nobody but llmrack has set them yet.

    Left out, the server would go back to one pod before whatever scales it has had its turn
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
    """
    ours_there = ours(there, manager).get("spec", {}) if there else {}
    if "replicas" in one.get("spec", {}) or "replicas" not in ours_there:
        return one
    return one | {"spec": one["spec"] | {"replicas": ours_there["replicas"]}}


def _content(thing: Object | None, manager: str) -> Object | None:
    """What of an object a run can change: neither the server's counts nor its state."""
    if thing is None:
        return None
    uncounted = ("resourceVersion", "generation", "managedFields")
    about = {key: value for key, value in thing["metadata"].items() if key not in uncounted}
    return thing | {"metadata": about, "status": None, "ours": ours(thing, manager)}


def _config_maps(value: Any) -> set[str]:  # noqa: ANN401  (JSON)
    """Names of the ConfigMaps that an object mounts."""
    found: set[str] = set()
    if isinstance(value, dict):
        inner = value.get("configMap")
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            found.add(inner["name"])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found |= _config_maps(item)
    return found
