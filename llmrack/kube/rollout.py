"""Waits until pods run what was applied, and says what they wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from llmrack.kube.form import Object
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.objects.engine import LOADER

# Seconds between two looks.
PAUSE = 1.0
# Reasons of a container that is about to start.
_STARTING = ("PodInitializing", "ContainerCreating")
# Warnings about a pod whose containers cannot be made.
_STUCK = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox")
_NOT_READY = "Readiness probe failed: "
# Seconds without anything new after which pods have failed, unless a person says otherwise.
PATIENCE = 600.0


def wait_for(
    kubectl: Kubectl,
    kind: str,
    name: str,
    say: Callable[[str], None],
    patience: float = PATIENCE,
) -> None:
    """Wait until every pod of a Deployment or a StatefulSet is the new one, and ready.

    + patience: seconds without anything new after which it has failed

    Raises KubectlError with the reasons of the pods that do not get there.
    """
    # A container that ends and is started again comes back to what was seen: that is no move.
    seen, heard, since = set[str](), set[str](), time.monotonic()
    reasons: list[str] = []
    while True:
        try:
            thing = kubectl.get(kind.lower(), name)
            if thing is None:
                raise Gone(f"there is no {kind} {name} any more")
            if is_done(thing):
                return
            found = list(_why(kubectl, thing))
            reasons = sorted({f"{pod} {why}" if pod else why for pod, why in found})
            # Pods come and go by other names.
            state = repr((_counts(thing), sorted({why for _, why in found})))
        except Gone:
            raise
        except KubectlError as error:
            # The cluster may be busy, or the way to it broken for a while.
            reasons = [str(error)]
            state = "not answered"
        if not seen and not reasons:
            say(f"{kind} {name}: its pods are starting")
        for reason in reasons:
            if reason not in heard:
                say(f"{kind} {name}: {reason}")
        heard.update(reasons)
        if state not in seen:
            seen.add(state)
            since = time.monotonic()
        if time.monotonic() - since > patience:
            raise KubectlError(
                f"{kind} {name}: nothing has moved for {patience:g} s: "
                + ("; ".join(reasons) or "its pods do not start")
            )
        time.sleep(PAUSE)


class Gone(KubectlError):
    """What is waited for was removed meanwhile."""


def is_done(thing: Object) -> bool:
    """Whether all pods that shall be are of the last generation, and ready for long enough."""
    status: dict[str, Any] = thing.get("status", {})
    wanted = thing["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < thing["metadata"]["generation"]:
        return False
    rolling = thing["spec"].get("updateStrategy", {}).get("rollingUpdate", {})
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    is_new = updated >= wanted - rolling.get("partition", 0)
    return bool(is_new and wanted == available == status.get("replicas", 0))


def end_stuck_pods(kubectl: Kubectl, name: str) -> None:
    """End pods of a StatefulSet that never got ready: it would wait for them before others.

    Kubernetes asks for this after a template is brought back (kubernetes/kubernetes#67250).
    """
    thing = kubectl.get("statefulset", name)
    if thing is None:
        return
    kubectl.delete(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod["metadata"]["name"]}}
        for pod in _pods(kubectl, thing)
        if not is_ready(pod)
    )


def why_not_ready(pod: Object, warnings: dict[str, str] | None = None) -> Iterator[str]:
    """Why a pod is not ready, in a sentence each.

    + warnings: the cluster's last ones about it, by their reasons
    """
    status, warned = pod.get("status", {}), warnings or {}
    if "deletionTimestamp" in pod["metadata"]:
        yield "ends once its last requests are answered"
        return
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"has no node: {condition.get('message', 'no reason is given')}"
    for container in _containers(status):
        state, last = container.get("state", {}), container.get("lastState", {})
        waiting = state.get("waiting", {})
        if waiting and waiting.get("reason", "") not in _STARTING:
            ended = last.get("terminated", {})
            said = ended.get("message") or waiting.get("message") or ""
            words = said.strip().splitlines()[-1:] or [""]
            yield f"{waiting.get('reason', 'waits')}: {words[0]}".rstrip(": ")
        elif "running" in state and not container.get("ready") and container["name"] != LOADER:
            said = warned.get("Unhealthy", "")
            why = said.removeprefix(_NOT_READY).strip() if said.startswith(_NOT_READY) else ""
            yield f"is not ready: {why}".rstrip(": ")
    if not is_ready(pod):
        yield from (f"{name}: {said}" for name, said in warned.items() if name in _STUCK)


def is_loading(pod: Object) -> bool:
    """Whether a pod loads its models."""
    found = _containers(pod.get("status", {}))
    return any(one["name"] == LOADER and "running" in one.get("state", {}) for one in found)


def _why(kubectl: Kubectl, thing: Object) -> Iterator[tuple[str, str]]:
    """The pods that are not ready, each with why; without a pod, why there is none."""
    warnings = _warnings(kubectl)
    pods = _pods(kubectl, thing)
    for condition in thing.get("status", {}).get("conditions", ()):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            yield "", condition.get("message", "its pods cannot be made")
    refused = warnings.get(thing["metadata"]["uid"], {}).get("FailedCreate")
    if refused and len(pods) < thing["spec"].get("replicas", 1):
        yield "", refused
    for pod in pods:
        name = pod["metadata"]["name"]
        for why in why_not_ready(pod, warnings.get(pod["metadata"]["uid"])):
            yield name, why
        if is_loading(pod):
            words = ("logs", name, f"--container={LOADER}", "--tail=1")
            said = kubectl.run(*words, accepted=(0, 1)).stdout.strip()
            yield name, f"loads its models: {said}".rstrip(": ")


def _warnings(kubectl: Kubectl) -> dict[str, dict[str, str]]:
    """The cluster's last warnings, by the uid of what they are about, then by their reasons."""
    found: dict[str, dict[str, str]] = {}
    for event in kubectl.events("type=Warning"):
        about = found.setdefault(event["involvedObject"].get("uid", ""), {})
        about[event.get("reason", "")] = " ".join(event.get("message", "").split())
    return found


def _counts(thing: Object) -> dict[str, int]:
    """Of its pods, as in ``readyReplicas``."""
    return {key: of for key, of in thing.get("status", {}).items() if isinstance(of, int)}


def _containers(status: Object) -> list[Object]:
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def _pods(kubectl: Kubectl, thing: Object) -> list[Object]:
    selector = thing["spec"]["selector"]["matchLabels"]
    return kubectl.objects("pods", ",".join(f"{key}={value}" for key, value in selector.items()))


def is_ready(pod: Object) -> bool:
    """Whether a pod answers."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
