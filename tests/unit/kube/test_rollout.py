"""What pods wait for is told in a sentence."""

from __future__ import annotations

import time
from typing import Any

import pytest

from llmrack.kube import rollout
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.rollout import (
    is_done,
    is_loading,
    is_ready,
    wait_for,
    why_not_ready,
)


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "gpu-0", "uid": "2"}, "status": status}


def container(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": False, **more}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
                    }
                ]
            },
            "has no node: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        ),
        (
            {
                "containerStatuses": [
                    container(
                        "ollama",
                        {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
                    )
                ]
            },
            "ImagePullBackOff: no such image",
        ),
        (
            {
                "initContainerStatuses": [
                    container(
                        "models",
                        {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                        lastState={"terminated": {"message": "line\nx: cannot be pulled\n"}},
                    )
                ]
            },
            "CrashLoopBackOff: x: cannot be pulled",
        ),
        ({"containerStatuses": [container("ollama", {"running": {}})]}, "is not ready"),
    ],
)
def test_a_pod_says_what_it_waits_for(status: dict[str, Any], said: str) -> None:
    assert list(why_not_ready(pod(**status))) == [said]


@pytest.mark.parametrize("reason", ["PodInitializing", "ContainerCreating"])
def test_a_container_that_is_about_to_start_has_nothing_to_say(reason: str) -> None:
    waiting = container("ollama", {"waiting": {"reason": reason}})
    assert list(why_not_ready(pod(containerStatuses=[waiting]))) == []


def test_a_pod_tells_what_its_readiness_script_says() -> None:
    running = pod(containerStatuses=[container("ollama", {"running": {}})])
    warned = {"Unhealthy": "Readiness probe failed: the model llama3.1 is not there"}
    said = "is not ready: the model llama3.1 is not there"
    assert list(why_not_ready(running, warned)) == [said]


def test_a_pod_without_its_volume_says_so() -> None:
    waiting = container("ollama", {"waiting": {"reason": "ContainerCreating"}})
    warned = {"FailedMount": "Unable to attach or mount volumes", "BackOff": "x"}
    found = list(why_not_ready(pod(containerStatuses=[waiting]), warned))
    assert found == ["FailedMount: Unable to attach or mount volumes"]


def test_a_pod_that_ends_says_so_and_no_more() -> None:
    ending = pod(containerStatuses=[container("server", {"running": {}})])
    ending["metadata"]["deletionTimestamp"] = "2026-11-29T22:00:00Z"
    assert list(why_not_ready(ending)) == ["ends once its last requests are answered"]


def test_a_pod_that_loads_its_models_is_no_failure() -> None:
    loading = pod(initContainerStatuses=[container("models", {"running": {}})])
    assert list(why_not_ready(loading)) == [] and is_loading(loading)


def test_a_pod_is_ready_when_kubernetes_says_so() -> None:
    assert is_ready(pod(conditions=[{"type": "Ready", "status": "True"}]))
    assert not is_ready(pod(conditions=[{"type": "Ready", "status": "False"}]))


class Crashing(Kubectl):
    """A cluster with a pod whose container is started again and again."""

    def __init__(self) -> None:
        super().__init__("kubectl", None, "ml", "llmrack-gateway")

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        return rolled(availableReplicas=1) | {
            "metadata": {"generation": 2, "uid": "1"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {}}},
        }

    def events(self, which: str) -> list[dict[str, Any]]:
        return []

    def objects(self, kinds: str, labels: str) -> list[dict[str, Any]]:
        crashed = {"waiting": {"reason": "CrashLoopBackOff", "message": "x: gone"}}
        state = crashed if time.monotonic() % 0.2 < 0.1 else {"running": {}}
        return [pod(containerStatuses=[container("server", state)])]


def test_a_container_that_is_started_again_and_again_is_no_move(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollout, "PAUSE", 0.02)
    said: list[str] = []
    with pytest.raises(KubectlError, match="StatefulSet gpu: nothing has moved for 1 s: gpu-0"):
        wait_for(Crashing(), "StatefulSet", "gpu", said.append, 1)
    assert sorted(said) == [
        "StatefulSet gpu: gpu-0 CrashLoopBackOff: x: gone",
        "StatefulSet gpu: gpu-0 is not ready",
    ]


def rolled(**status: int) -> dict[str, Any]:
    seen = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    return {
        "metadata": {"generation": 2},
        "spec": {"replicas": 2},
        "status": seen | status,
    }


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 1},
        {"updatedReplicas": 1},
        {"availableReplicas": 1},
        {"replicas": 3},
    ],
)
def test_a_rollout_is_not_done_while_anything_is_old_or_not_there(status: dict[str, int]) -> None:
    assert is_done(rolled())
    assert not is_done(rolled(**status))


def test_an_update_that_is_held_back_is_done_with_the_pods_that_it_may_take() -> None:
    held = {"spec": {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}}}
    assert is_done(rolled(updatedReplicas=1) | held)
    assert not is_done(rolled(updatedReplicas=0) | held)
