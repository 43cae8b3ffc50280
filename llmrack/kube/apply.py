"""Brings a cluster to what is declared: engines first, then the gateway, which must be proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llmrack.kube.cluster import Cluster
from llmrack.kube.form import MANAGED_BY, MANAGER, NAME, Object, identity
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.listed_models import problems_of_names
from llmrack.kube.objects.all import namespace
from llmrack.kube.objects.gateway import COMPONENT as GATEWAY
from llmrack.kube.ownership import ours
from llmrack.kube.plan import Plan, plan, without_needed
from llmrack.kube.proof import prove
from llmrack.kube.refusals import Refused
from llmrack.kube.rollout import Patience, end_stuck_pods, wait_for
from llmrack.problems import DeclarationError
from llmrack.verify.results import Report

Say = Callable[[str], None]


@dataclass(frozen=True)
class Applied:
    """What became of a run.

    + changed, removed: objects
    + report: of the proof; None if pods did not get ready
    + why: why nothing could be proven; else empty
    + undone: whether the cluster has again what it had before
    """

    changed: tuple[str, ...]
    removed: tuple[str, ...] = ()
    report: Report | None = None
    why: str = ""
    undone: bool = False

    @property
    def proven(self) -> bool:
        """Whether everything that is declared is served."""
        return self.report is not None and self.report.ok


def apply(cluster: Cluster, kubectl: Kubectl, say: Say, patience: Patience) -> Applied:
    """Apply everything that is declared and prove it; what is not proven is undone.

    + patience: how long pods may stand still before they have failed

    Raises Refused before anything is changed, and KubectlError if the cluster does not answer.
    """
    made = _ensure_namespace(cluster, kubectl, say)
    try:
        planned = plan(cluster, kubectl)
        _insist_on_names(cluster, planned, say)
    except Refused:
        if made:
            kubectl.delete([namespace(cluster)])
        raise
    changed = tuple(identity(one) for one in planned.changed)
    try:
        _carry_out(cluster, kubectl, planned, say, patience)
    except KubectlError as error:
        undone = _undo(cluster, kubectl, planned, say, patience)
        return Applied(changed, why=str(error), undone=undone)
    report = prove(cluster, kubectl, say)
    if not report.ok:
        undone = _undo(cluster, kubectl, planned, say, patience)
        return Applied(changed, report=report, undone=undone)
    unneeded = without_needed(planned.unwanted, cluster.name, kubectl)
    kubectl.delete(unneeded)
    return Applied(changed, tuple(identity(one) for one in unneeded), report)


def _insist_on_names(cluster: Cluster, planned: Plan, say: Say) -> None:
    """Raise Refused if the gateway is to change and a provider lacks a declared model."""
    if not any(_is_gateways(one) for one in planned.changed):
        return
    if problems := problems_of_names(cluster, say):
        raise Refused(f"{DeclarationError(problems)}\nnothing was changed")


def _ensure_namespace(cluster: Cluster, kubectl: Kubectl, say: Say) -> bool:
    """Whether the namespace was not there; one of somebody else's stays as it is."""
    found = kubectl.get("namespace", cluster.namespace)
    if found is None:
        say(f"making the namespace {cluster.namespace}")
    elif found["metadata"].get("labels", {}).get(MANAGED_BY) != MANAGER:
        return False
    kubectl.apply([namespace(cluster)])
    return found is None


def _carry_out(
    cluster: Cluster, kubectl: Kubectl, planned: Plan, say: Say, patience: Patience
) -> None:
    """Apply what differs: the gateway, once the engines have what it will ask them for."""
    of_gateway = [one for one in planned.changed if _is_gateways(one)]
    before_it = [one for one in planned.changed if not _is_gateways(one)]
    if before_it:
        kubectl.apply(before_it)
    for name in cluster.kube.engines:
        wait_for(kubectl, "StatefulSet", name, say, patience)
    if of_gateway:
        kubectl.apply(of_gateway)
    wait_for(kubectl, "Deployment", cluster.name, say, patience)


def _is_gateways(one: Object) -> bool:
    return bool(one["metadata"].get("labels", {}).get(NAME) == GATEWAY)


def _undo(cluster: Cluster, kubectl: Kubectl, planned: Plan, say: Say, patience: Patience) -> bool:
    """Bring back what there was before; without a gateway before, everything stays to be seen."""
    if not any(one["kind"] == "Deployment" for one in planned.before.values()):
        return False
    if not planned.changed:
        return False
    say("not proven: bringing back what there was before")
    restored = [
        ours(planned.before[identity(one)])
        for one in planned.changed
        if identity(one) in planned.before
    ]
    if restored:
        kubectl.apply(restored)
    kubectl.delete(one for one in planned.changed if identity(one) not in planned.before)
    for one in restored:
        if one["kind"] == "StatefulSet":
            end_stuck_pods(kubectl, one["metadata"]["name"])
            wait_for(kubectl, "StatefulSet", one["metadata"]["name"], say, patience)
    wait_for(kubectl, "Deployment", cluster.name, say, patience)
    return True
