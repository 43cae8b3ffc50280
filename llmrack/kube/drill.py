"""Kills one pod of an engine after the other, and asks meanwhile: failover in a cluster, proven."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from llmrack.drills.asking import Asker
from llmrack.drills.plan import Cause, Drill, Plan, plan
from llmrack.kube.cluster import Cluster, engine_name
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.proof import gateway_client, present, with_pods
from llmrack.kube.rollout import wait_for
from llmrack.secrets.places import MASTER_KEY
from llmrack.verify.results import Report, Result

Say = Callable[[str], None]


def planned_drills(cluster: Cluster, kubectl: Kubectl) -> Plan:
    """A drill for each pod that has a stand-in. Raises KubectlError."""
    pods = present(cluster, kubectl)
    there = {pod.name for pod in pods}
    whole = plan(cluster.site.stack, with_pods(cluster, pods), cluster.gateway)
    return replace(
        whole,
        # The address of a pod that was killed is as silent as a frozen server.
        drills=tuple(
            replace(drill, cause=Cause.KILLED)
            for drill in whole.drills
            if drill.cause is Cause.FROZEN and drill.instance in there
        ),
        alone=tuple((instance, names) for instance, names in whole.alone if instance in there),
    )


def run_drills(cluster: Cluster, kubectl: Kubectl, drills: Plan, say: Say) -> Report:
    """Run them, until a pod is not well again. Raises KubectlError."""
    started = datetime.now(UTC)
    if not drills.drills:
        return Report((), started)
    with gateway_client(cluster, kubectl) as client:
        key = cluster.secrets[MASTER_KEY]
        asker = Asker(client, key, cluster.site.stack, cluster.name)
        say("asking everybody while all is well")
        if failed := asker.before(drills.drills):
            why = f"{cluster.name}: not everybody is well; mend that, then drill again"
            return Report(tuple(failed), started, (why,))
        results: list[Result] = []
        for drill in drills.drills:
            results += _one(kubectl, drill, asker, say)
            if unwell := asker.by_itself(drill):
                why = f"{drill.instance} does not serve again, so nothing more was killed"
                return Report((*results, *unwell), started, (why,))
    return Report(tuple(results), started)


def _one(kubectl: Kubectl, drill: Drill, asker: Asker, say: Say) -> Iterator[Result]:
    say(f"{drill.instance} is killed")
    with _kept_away(kubectl, drill.instance):
        for asked in drill.asked:
            yield from asker.lost(drill, asked)
    wait_for(kubectl, "StatefulSet", engine_name(drill.at), say)
    restored = time.monotonic()
    say(f"{drill.instance} is there again; waiting until it is used")
    for asked in drill.asked:
        yield asker.back(drill, asked, restored)


@contextmanager
def _kept_away(kubectl: Kubectl, pod: str) -> Iterator[None]:
    """End a pod, and each that Kubernetes makes in its place, which takes it seconds."""
    words = ("delete", "pod", pod, "--grace-period=1", "--ignore-not-found")
    # Returns when its containers have ended.
    kubectl.run(*words)
    enough = threading.Event()

    def again() -> None:
        while not enough.wait(1):
            # The next one ends it then.
            with suppress(KubectlError):
                kubectl.run(*words)

    thread = threading.Thread(target=again, daemon=True)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
