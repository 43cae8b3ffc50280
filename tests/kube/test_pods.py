"""A stack in pods that run, while clients ask it all the time: no change may lose a request."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.shell import wait_until
from tests import DEADLINE
from tests.kube.declared import Declared, Images
from tests.lab.load import Requests, lost


@pytest.fixture(scope="module")
def serving(declared: Declared, images: Images) -> Declared:
    """One gateway of two pods, and two engine pods of which one is used yet."""
    declared.use(images)
    # Something else scales it, and begins with one.
    declared.change(kube={"engines.gpu.replicas": None, "engines.gpu.most": 3})
    said = declared.applied()
    assert "changed: Deployment ml-pods/litellm" in said and "checks proven." in said
    return declared


def all_pods(declared: Declared, of: str) -> list[dict[str, Any]]:
    return declared.way().objects("pods", f"app.kubernetes.io/instance={of}")


def pods(declared: Declared, of: str) -> dict[str, str]:
    """The pods of a part, by name with their identities, but for those that end."""
    return {
        one["metadata"]["name"]: one["metadata"]["uid"]
        for one in all_pods(declared, of)
        if "deletionTimestamp" not in one["metadata"]
    }


def evict(declared: Declared, name: str) -> str:
    """Ask for a pod's end, as a node does that is drained; returns what the cluster says."""
    path = f"/api/v1/namespaces/{declared.namespace}/pods/{name}/eviction"
    about = {"name": name, "namespace": declared.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about}
    words = ("create", f"--raw={path}", "--filename=-")
    done = declared.way().run(*words, given=json.dumps(body), accepted=(0, 1))
    return done.stdout + done.stderr


def scale(declared: Declared, replicas: int) -> None:
    """As an autoscaler does."""
    declared.way().run("scale", "statefulset", "gpu", f"--replicas={replicas}")


def answerers(load: Requests) -> set[str]:
    return {answer.by for answer in load.so_far[-30:]}


def test_a_second_run_changes_nothing(serving: Declared) -> None:
    before = pods(serving, "litellm")
    said = serving.applied()
    assert "nothing was to change" in said and pods(serving, "litellm") == before
    shown = serving.llmrack("diff")
    assert (shown.returncode, shown.stdout) == (0, "nothing would change\n"), shown.stderr


def test_a_changed_configuration_loses_no_request(serving: Declared) -> None:
    before = pods(serving, "litellm")
    with serving.load() as load:
        serving.change(stack={"models.cloud-kimi.timeout": 55})
        serving.applied()
        load.wait_for(20)
    assert not lost(load.answers)
    assert not before.keys() & pods(serving, "litellm").keys()


def test_a_changed_key_rolls_the_pods_and_loses_no_request(
    serving: Declared, cluster: Cluster
) -> None:
    before = pods(serving, "litellm")
    cluster.lab.accept("cloud", "another-0123456789abcdef", only=False)
    with serving.load("cloud-kimi") as load:
        serving.keys["OLLAMA_API_KEY"] = "another-0123456789abcdef"
        serving.write()
        serving.applied()
        load.wait_for(20)
    assert not lost(load.answers)
    assert not before.keys() & pods(serving, "litellm").keys()


def test_a_set_that_is_scaled_is_followed(serving: Declared) -> None:
    gateway = pods(serving, "litellm")
    with serving.load() as load:
        assert answerers(load) == {"gpu-0"}
        scale(serving, 2)
        assert wait_until(lambda: answerers(load) == {"gpu-0", "gpu-1"}, DEADLINE)
        scale(serving, 1)
        assert wait_until(lambda: set(pods(serving, "gpu")) == {"gpu-0"}, DEADLINE)
        assert wait_until(lambda: answerers(load) == {"gpu-0"}, DEADLINE)
        assert wait_until(lambda: len(all_pods(serving, "gpu")) == 1, DEADLINE)
        load.wait_for(10)
        scale(serving, 2)
        assert wait_until(lambda: answerers(load) == {"gpu-0", "gpu-1"}, DEADLINE)
    assert not lost(load.answers)
    assert pods(serving, "litellm") == gateway
    assert "nothing was to change" in serving.applied()


def test_evictions_take_one_pod_at_a_time_and_lose_no_request(serving: Declared) -> None:
    first, second = pods(serving, "litellm")

    with serving.load() as load:
        assert "Success" in evict(serving, first)
        refused = "Cannot evict pod as it would violate the pod's disruption budget"
        assert refused in evict(serving, second)
        assert wait_until(lambda: "Success" in evict(serving, second), DEADLINE)
        assert wait_until(lambda: len(pods(serving, "litellm")) == 2, DEADLINE)
        load.wait_for(30)
    assert not lost(load.answers)


def test_an_engine_that_is_updated_loses_no_request(serving: Declared) -> None:
    """One pod at a time, each proven before the next."""
    before = pods(serving, "gpu")
    with serving.load() as load:
        serving.change(stack={"models.assistant.create.system": "Be very short."})
        done = serving.llmrack("apply", "--patience", "120s")
        load.wait_for(20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.index("loading assistant on gpu-1") < done.stderr.index(
        "loading assistant on gpu-0"
    )
    assert not lost(load.answers)
    assert not set(before.values()) & set(pods(serving, "gpu").values())


def test_an_engine_that_is_evicted_loses_no_request(serving: Declared) -> None:
    before = pods(serving, "gpu")
    with serving.load() as load:
        assert "Success" in evict(serving, "gpu-1")
        assert wait_until(
            lambda: pods(serving, "gpu").get("gpu-1", before["gpu-1"]) != before["gpu-1"], DEADLINE
        )
        load.wait_for(30)
    assert not lost(load.answers)


def test_every_request_is_accounted_for_when_an_engine_is_killed(serving: Declared) -> None:
    with serving.load() as load:
        assert wait_until(lambda: answerers(load) == {"gpu-0", "gpu-1"}, DEADLINE)
        serving.way().run("delete", "pod", "gpu-1", "--grace-period=0", "--force")
        load.wait_for(60)
    # Nobody else can go on with a stream that has given tokens; everything else is answered.
    assert all(answer.is_broken_off for answer in load.answers if answer.lost)


def test_every_request_is_accounted_for_when_a_gateway_is_killed(serving: Declared) -> None:
    killed = next(iter(pods(serving, "litellm")))
    with serving.load() as load:
        began = time.time()
        serving.way().run("delete", "pod", killed, "--grace-period=0", "--force")
        load.wait_for(60)
        assert wait_until(lambda: len(pods(serving, "litellm")) == 2, DEADLINE)
        load.wait_for(30)
    failed = [answer for answer in load.answers if answer.lost]
    # Those that it had in hand, and those that came before the Service knew.
    assert len(failed) <= 8, lost(load.answers)
    assert all(began - 5 < answer.at < began + 15 for answer in failed)


def test_a_failover_is_within_its_deadline_while_a_pod_is_killed(serving: Declared) -> None:
    done = serving.llmrack("verify", "--drill", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu-0" in done.stdout and "gpu-1" in done.stdout


def test_a_pod_without_a_card_is_told(serving: Declared) -> None:
    scale(serving, 3)

    def told() -> bool:
        status = serving.llmrack("status")
        assert status.returncode == 1
        return "has no node" in " ".join(status.stdout.split())

    assert wait_until(told, DEADLINE)
    assert "Insufficient nvidia.com/gpu" in serving.llmrack("status").stdout
    said = serving.failed(1, "--patience", "5s")
    assert "StatefulSet gpu: gpu-2 has no node: " in said
    assert "what failed was not well before; what was changed stays" in said
    scale(serving, 2)


def test_a_model_that_is_not_to_be_had_is_told_and_nobody_loses_a_request(
    serving: Declared,
) -> None:
    with serving.load() as load:
        serving.change(stack={"models.unheard-of": {"provider": "local"}})
        said = serving.failed(1, "--patience", "60s")
        serving.change(stack={"models.unheard-of": None})
        load.wait_for(20)
    assert "unheard-of:latest: pulling it failed: pull model manifest: " in said
    assert "see the models in stack.yaml" in said
    assert not lost(load.answers)
    assert "nothing was to change" in serving.applied()


def test_what_is_not_proven_is_undone(serving: Declared) -> None:
    good = serving.keys["OLLAMA_API_KEY"]
    with serving.load() as load:
        serving.keys["OLLAMA_API_KEY"] = "wrong-0123456789abcdef"
        serving.write()
        said = serving.failed(1)
        serving.keys["OLLAMA_API_KEY"] = good
        serving.write()
        load.wait_for(20)
    assert "bringing back what there was before" in said
    assert "wrong-0123456789abcdef" not in said
    assert not lost(load.answers)
    assert "nothing was to change" in serving.applied()
