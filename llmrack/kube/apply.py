"""Brings a cluster to what is declared: engines first, then the gateway, which must be proven."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from llmrack.kube.cluster import Cluster, engine_name
from llmrack.kube.form import MANAGED_BY, MANAGER, NAME, Object, identity
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.listed_models import problems_of_names
from llmrack.kube.objects.all import namespace
from llmrack.kube.objects.gateway import COMPONENT as GATEWAY
from llmrack.kube.ownership import ours
from llmrack.kube.plan import Plan, plan, without_needed
from llmrack.kube.proof import present, prove, prove_pod
from llmrack.kube.refusals import Refused
from llmrack.kube.rollout import end_stuck_pods, is_ready, wait_for
from llmrack.problems import DeclarationError
from llmrack.verify.results import Report, Result

Say = Callable[[str], None]


@dataclass(frozen=True)
class Applied:
    """What became of a run.

    + changed, removed: objects
    + report: of the proof; None if pods did not get ready
    + why: why nothing could be proven; else empty
    + undone: whether the cluster has again what it had before
    + kept: whether the changes stay, since all that failed was not well before
    + not_undone: why that could not be brought back; else empty
    """

    changed: tuple[str, ...]
    removed: tuple[str, ...] = ()
    report: Report | None = None
    why: str = ""
    undone: bool = False
    kept: bool = False
    not_undone: str = ""

    @property
    def proven(self) -> bool:
        """Whether everything that is declared is served."""
        return self.report is not None and self.report.ok


def apply(cluster: Cluster, kubectl: Kubectl, say: Say, patience: float) -> Applied:
    """Apply everything that is declared and prove it; what is not proven is undone.

    + patience: seconds that pods may stand still before they have failed

    Raises Refused, and KubectlError, only before anything is changed.
    """
    say(f"the namespace {cluster.namespace} of kubectl's context {kubectl.context or 'here'}")
    made = _ensure_namespace(cluster, kubectl, say)
    try:
        planned = plan(cluster, kubectl)
        _insist_on_names(cluster, planned, say)
    except Refused:
        if made:
            kubectl.delete([namespace(cluster)])
        raise
    return _Run(cluster, kubectl, planned, say, patience).applied()


class _NotProven(Exception):
    """What was asked of a pod, of which something failed."""

    def __init__(self, results: list[Result]) -> None:
        super().__init__()
        self.results = results


@dataclass(frozen=True)
class _Run:
    """A run that changes the cluster."""

    cluster: Cluster
    kubectl: Kubectl
    planned: Plan
    say: Say
    patience: float

    def applied(self) -> Applied:
        """Change, prove, tidy up; or bring back what there was before."""
        changed = tuple(identity(one) for one in self.planned.changed)
        report, why, started = None, "", datetime.now().astimezone()
        unwell = self._unwell()
        try:
            self._carry_out()
            report = prove(self.cluster, self.kubectl, self.say)
        except _NotProven as error:
            report = Report(tuple(error.results), started)
        except KubectlError as error:
            why = str(error)
        if report and report.ok:
            return Applied(changed, self._tidied(), report)
        if report and all({result.host, result.instance} & unwell for result in report.failed):
            return Applied(changed, report=report, kept=True)
        try:
            return Applied(changed, report=report, why=why, undone=self._undone())
        except KubectlError as error:
            return Applied(changed, report=report, why=why, not_undone=str(error))

    def _carry_out(self) -> None:
        """Apply what differs: the gateway, once the engines have what it will ask them for."""
        of_gateway = [one for one in self.planned.changed if self._is_gateways(one)]
        before_it = [one for one in self.planned.changed if not self._is_gateways(one)]
        sets = [one for one in before_it if one["kind"] == "StatefulSet"]
        if others := [one for one in before_it if one not in sets]:
            self.kubectl.apply(others)
        for one in sets:
            self._roll(one)
        if of_gateway:
            self.kubectl.apply([self._with_former_keys(one) for one in of_gateway])
        self._wait("Deployment", self.cluster.name)
        for name in self.cluster.kube.engines:
            if name not in {one["metadata"]["name"] for one in sets}:
                # The proof says what becomes of it: nothing of it was changed.
                with suppress(KubectlError):
                    self._wait("StatefulSet", name)

    def _roll(self, wanted: Object) -> None:
        """Update a StatefulSet from its last pod to its first; each is proven before the next."""
        there, name = self.planned.before.get(identity(wanted)), wanted["metadata"]["name"]
        template = ours(there, self.kubectl.manager)["spec"]["template"] if there else None
        if there is None or template == wanted["spec"]["template"]:
            self.kubectl.apply([wanted])
            self._wait("StatefulSet", name)
            return
        last = wanted["spec"].get("replicas", there["spec"]["replicas"]) - 1
        pods = self.cluster.pods_of(name)
        for place in range(last, -1, -1):
            strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": place}}
            spec = wanted["spec"] | {"updateStrategy": strategy}
            self.kubectl.apply([wanted | {"spec": spec}])
            self._wait("StatefulSet", name)
            # All of them are proven at the end.
            if place:
                results = prove_pod(self.cluster, self.kubectl, pods[place], self.say)
                if not all(result.ok for result in results):
                    raise _NotProven(results)

    def _unwell(self) -> set[str]:
        """The pods that are not ready before this run, of engines that it does not change."""
        changed = {one["metadata"]["name"] for one in self.planned.changed}
        hosts = present(self.cluster, self.kubectl)
        unchanged = [host.name for host in hosts if engine_name(host) not in changed]
        pods = {name: self.kubectl.get("pod", name) for name in unchanged}
        return {name for name, pod in pods.items() if pod is None or not is_ready(pod)}

    def _wait(self, kind: str, name: str) -> None:
        wait_for(self.kubectl, kind, name, self.say, self.patience)

    def _with_former_keys(self, one: Object) -> Object:
        """The Secret with keys that only pods still need which are replaced; others as they are."""
        there = self.planned.before.get(identity(one))
        if not there or not self._is_keys(one):
            return one
        return one | {"data": ours(there, self.kubectl.manager).get("data", {}) | one["data"]}

    def _tidied(self) -> tuple[str, ...]:
        """Remove what is no longer needed; returns the names of objects."""
        unneeded = without_needed(self.planned.unwanted, self.cluster.name, self.kubectl)
        try:
            self.kubectl.apply(one for one in self.planned.changed if self._is_keys(one))
            self.kubectl.delete(unneeded)
        except KubectlError as error:
            self.say(f"what is no longer needed stays until the next run: {error}")
            return ()
        return tuple(identity(one) for one in unneeded)

    def _undone(self) -> bool:
        """Bring back what there was before; without a gateway before, all stays to be seen."""
        planned = self.planned
        if not any(one["kind"] == "Deployment" for one in planned.before.values()):
            return False
        if not planned.changed:
            return False
        self.say("not proven: bringing back what there was before")
        restored = [
            ours(planned.before[identity(one)], self.kubectl.manager)
            for one in planned.changed
            if identity(one) in planned.before
        ]
        if restored:
            self.kubectl.apply(restored)
        self.kubectl.delete(one for one in planned.changed if identity(one) not in planned.before)
        for one in restored:
            if one["kind"] == "StatefulSet":
                end_stuck_pods(self.kubectl, one["metadata"]["name"])
                self._wait("StatefulSet", one["metadata"]["name"])
        self._wait("Deployment", self.cluster.name)
        return True

    def _is_gateways(self, one: Object) -> bool:
        return self._is_keys(one) or _is_gateways(one)

    def _is_keys(self, one: Object) -> bool:
        return bool((one["kind"], one["metadata"]["name"]) == ("Secret", self.cluster.kube.secret))


def _is_gateways(one: Object) -> bool:
    return bool(one["metadata"].get("labels", {}).get(NAME) == GATEWAY)


def _insist_on_names(cluster: Cluster, planned: Plan, say: Say) -> None:
    """Raise Refused if the gateway is to change and a provider lacks a declared model."""
    if not any(map(_is_gateways, planned.changed)):
        return
    if problems := problems_of_names(cluster, say):
        raise Refused(f"{DeclarationError(problems)}\nnothing was changed")


def _ensure_namespace(cluster: Cluster, kubectl: Kubectl, say: Say) -> bool:
    """Whether the namespace was not there; one of somebody else's stays as it is."""
    found, wanted = kubectl.get("namespace", cluster.namespace), namespace(cluster)
    if found is None:
        say(f"making the namespace {cluster.namespace}")
        kubectl.apply([wanted])
        return True
    labels, ours_then = found["metadata"].get("labels", {}), wanted["metadata"]["labels"]
    if labels.get(MANAGED_BY) == MANAGER and not ours_then.items() <= labels.items():
        kubectl.apply([wanted])
    return False
