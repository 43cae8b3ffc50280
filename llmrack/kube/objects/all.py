"""Every object of a declaration, in the order in which they are applied."""

from __future__ import annotations

from llmrack.kube.cluster import Cluster
from llmrack.kube.form import MANAGED_BY, MANAGER, Object
from llmrack.kube.objects import engine, gateway
from llmrack.kube.objects.entrance import entrance
from llmrack.kube.objects.monitoring import monitoring
from llmrack.kube.objects.secret import key_digest, secret


def namespace(cluster: Cluster) -> Object:
    """The namespace; its pods are held to what Pod Security Standards call restricted."""
    labelled = {
        MANAGED_BY: MANAGER,
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": cluster.namespace, "labels": labelled},
    }


def objects(cluster: Cluster) -> list[Object]:
    """What the namespace shall have, with the values of keys."""
    found: list[Object] = []
    if not cluster.kube.secret_is_given:
        found.append(secret(cluster))
    for name in cluster.kube.engines:
        models = engine.model_list(cluster, name)
        found += [
            models,
            engine.network_policy(cluster, name),
            engine.service(cluster, name),
            engine.disruption_budget(cluster, name),
            engine.stateful_set(cluster, name, models),
        ]
    maps = gateway.release_maps(cluster)
    return [
        *found,
        *maps,
        gateway.network_policy(cluster),
        gateway.service(cluster),
        gateway.disruption_budget(cluster),
        gateway.deployment(cluster, maps, key_digest(cluster)),
        *entrance(cluster),
        *monitoring(cluster),
    ]
