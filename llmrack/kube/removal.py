"""Takes a stack out of a cluster, and nothing else; models stay unless they are to go."""

from __future__ import annotations

from dataclasses import dataclass

from llmrack.kube.cluster import Cluster
from llmrack.kube.form import PART_OF, Object, identity
from llmrack.kube.kubectl import Kubectl
from llmrack.kube.ownership import others, ours
from llmrack.kube.plan import objects_of


@dataclass(frozen=True)
class Removal:
    """What goes and what stays.

    + objects: those that llmrack made
    + claims: of the engines' pods, with their models
    + secret: the Secret with the keys; None if it is not there, or none of ours
    + keys: the names of llmrack's keys in it
    + secret_goes: whether it had nothing else
    """

    objects: tuple[Object, ...]
    claims: tuple[Object, ...]
    secret: Object | None
    keys: tuple[str, ...]
    secret_goes: bool


def planned_removal(cluster: Cluster, kubectl: Kubectl) -> Removal:
    """What a removal would take. Raises KubectlError."""
    secret = None if cluster.kube.secret_is_given else kubectl.get("secret", cluster.kube.secret)
    keys: tuple[str, ...] = tuple(ours(secret, kubectl.manager).get("data", {})) if secret else ()
    rest = set(secret.get("data") or {}) - set(keys) if secret else set()
    return Removal(
        tuple(objects_of(cluster.name, kubectl)),
        tuple(kubectl.objects("persistentvolumeclaims", f"{PART_OF}={cluster.name}")),
        secret if keys else None,
        keys,
        bool(secret and not rest and not others(secret, kubectl.manager)),
    )


def remove(removal: Removal, kubectl: Kubectl, with_models: bool) -> None:
    """Carry it out. Raises KubectlError."""
    kubectl.delete(removal.objects)
    if removal.secret and removal.secret_goes:
        kubectl.delete([removal.secret])
    elif removal.secret:
        # Whoever applies nothing owns nothing: the server takes our keys away, and no others.
        kubectl.apply(
            [{key: removal.secret[key] for key in ("apiVersion", "kind")} | _named(removal)]
        )
    if with_models:
        kubectl.delete(removal.claims)


def told(removal: Removal, cluster: Cluster, with_models: bool) -> list[str]:
    """A line for each thing that goes, then for each that stays."""
    lines = [f"goes: {identity(one)}" for one in removal.objects]
    if removal.secret:
        name = identity(removal.secret)
        keys = "" if removal.secret_goes else f": {', '.join(removal.keys)}"
        lines.append(f"goes: {name}{keys}")
        if not removal.secret_goes:
            lines.append(f"stays: {name}, with everybody else's keys")
    claims = [identity(one) for one in removal.claims]
    lines += [f"{'goes' if with_models else 'stays'}: {claim}, with its models" for claim in claims]
    lines.append(f"stays: Namespace {cluster.namespace}")
    return lines


def _named(removal: Removal) -> Object:
    about = (removal.secret or {})["metadata"]
    return {"metadata": {"name": about["name"], "namespace": about["namespace"]}}
