"""Waits until pods run what was applied, and says what they wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from llmrack.kube.form import Object
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.objects.engine import LOADER

# Seconds between two looks.
PAUSE = 1.0
# Reasons of a container that is about to start.
_STARTING = ("PodInitializing", "ContainerCreating")


@dataclass(frozen=True)
class Patience:
    """How long pods may stand still: ``seconds`` without anything new have failed."""

    seconds: float = 600.0


def wait_for(
    kubectl: Kubectl, kind: str, name: str, say: Callable[[str], None], patience: Patience
) -> None:
    """Wait until every pod of a Deployment or a StatefulSet is the new one, and ready.

    Raises KubectlError with the reasons of the pods that do not get there.
    """
    # A container that ends and is started again comes back to what was seen: that is no move.
    seen, heard, since = set[str](), set[str](), time.monotonic()
    while True:
        thing = kubectl.get(kind.lower(), name)
        if thing is None:
            raise KubectlError(f"there is no {kind} {name} any more")
        if is_done(thing):
            return
        reasons = sorted({reason for pod in _pods(kubectl, thing) for reason in _why(kubectl, pod)})
        if not seen and not reasons:
            say(f"{kind} {name}: its pods are starting")
        for reason in reasons:
            if reason not in heard:
                say(f"{kind} {name}: {reason}")
        heard.update(reasons)
        if (state := repr((_counts(thing), reasons))) not in seen:
            seen.add(state)
            since = time.monotonic()
        if time.monotonic() - since > patience.seconds:
            raise KubectlError(
                f"{kind} {name}: nothing has moved for {patience.seconds:g} s: "
                + ("; ".join(reasons) or "its pods do not start")
            )
        time.sleep(PAUSE)


def is_done(thing: Object) -> bool:
    """Whether all pods are of the last generation, and have been ready for long enough."""
    status: dict[str, Any] = thing.get("status", {})
    wanted = thing["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < thing["metadata"]["generation"]:
        return False
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    return bool(updated == wanted == available == status.get("replicas", 0))


def _counts(thing: Object) -> dict[str, int]:
    """Of its pods, as in ``readyReplicas``."""
    return {key: of for key, of in thing.get("status", {}).items() if isinstance(of, int)}


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


def why_not_ready(pod: Object) -> Iterator[str]:
    """Why a pod is not ready, in a sentence each."""
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"]:
        yield f"{name} ends once its last requests are answered"
        return
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"{name} has no node: {condition.get('message', 'no reason is given')}"
    for container in _containers(status):
        state, last = container.get("state", {}), container.get("lastState", {})
        waiting = state.get("waiting", {})
        if waiting and waiting.get("reason", "") not in _STARTING:
            ended = last.get("terminated", {})
            said = ended.get("message") or waiting.get("message") or ""
            words = said.strip().splitlines()[-1:] or [""]
            yield f"{name}: {waiting.get('reason', 'waits')}: {words[0]}".rstrip(": ")
        elif "running" in state and not container.get("ready") and container["name"] != LOADER:
            yield f"{name} is not ready"


def is_loading(pod: Object) -> bool:
    """Whether a pod loads its models."""
    found = _containers(pod.get("status", {}))
    return any(one["name"] == LOADER and "running" in one.get("state", {}) for one in found)


def _why(kubectl: Kubectl, pod: Object) -> Iterator[str]:
    yield from why_not_ready(pod)
    if is_loading(pod):
        name = pod["metadata"]["name"]
        words = ("logs", name, f"--container={LOADER}", "--tail=1")
        said = kubectl.run(*words, accepted=(0, 1)).stdout.strip()
        yield f"{name} loads its models: {said}".rstrip(": ")


def _containers(status: Object) -> list[Object]:
    return [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]


def _pods(kubectl: Kubectl, thing: Object) -> list[Object]:
    selector = thing["spec"]["selector"]["matchLabels"]
    return kubectl.objects("pods", ",".join(f"{key}={value}" for key, value in selector.items()))


def is_ready(pod: Object) -> bool:
    """Whether a pod answers."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
