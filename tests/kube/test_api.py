"""What the API server makes of llmrack's objects, without waiting for a pod."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from llmrack.kube.form import identity
from llmrack.kube.kubectl import Kubectl, KubectlError
from llmrack.kube.objects.all import namespace as namespace_of
from llmrack.kube.ownership import ours
from llmrack.kube.plan import Plan, plan, without_needed
from llmrack.kube.refusals import Refused
from llmrack.kube.removal import planned_removal, remove, told
from llmrack_lab.kube.cluster import Cluster
from llmrack_lab.shell import wait_until
from tests.kube.declared import Declared
from tests.kube.prometheus_operator import install, uninstall
from tests.unit.kube.conftest import MASTER

REVISION = "deployment.kubernetes.io/revision"


@pytest.fixture(scope="module")
def way(declared: Declared, cluster: Cluster) -> Kubectl:
    """To the namespace, which is there, with a Secret that a person has made."""
    way = declared.way()
    way.apply([namespace_of(declared.read())])
    literals = ("--from-literal=THEIRS=one", "--from-literal=OTHER=two")
    way.run("create", "secret", "generic", "llmrack-keys", *literals)
    return way


def planned(declared: Declared, way: Kubectl) -> Plan:
    return plan(declared.read(), way)


def carry_out(declared: Declared, way: Kubectl) -> Plan:
    done = planned(declared, way)
    if done.changed:
        way.apply(done.changed)
    return done


def value_of(way: Kubectl, key: str) -> str | None:
    data: dict[str, Any] = (way.get("secret", "llmrack-keys") or {})["data"]
    return base64.b64decode(data[key]).decode() if key in data else None


def replicas(way: Kubectl) -> int:
    found: int = (way.get("statefulset", "gpu") or {})["spec"]["replicas"]
    return found


def refused(declared: Declared, way: Kubectl) -> str:
    with pytest.raises(Refused) as caught:
        planned(declared, way)
    return str(caught.value)


def test_everything_is_taken_and_a_second_time_nothing_changes(
    declared: Declared, way: Kubectl
) -> None:
    assert len(carry_out(declared, way).changed) > 10
    assert [identity(one) for one in planned(declared, way).changed] == []


def test_a_secret_is_merged_key_by_key(way: Kubectl) -> None:
    assert value_of(way, "THEIRS") == "one"
    assert value_of(way, "LITELLM_MASTER_KEY") == MASTER


def test_a_secret_of_kubectl_apply_is_left_alone(
    declared: Declared, way: Kubectl, cluster: Cluster
) -> None:
    """By its note, kubectl would take all its keys for llmrack's, and away."""
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "applied"}}
    way.run("apply", "--filename=-", given=json.dumps(theirs | {"stringData": {"THEIRS": "one"}}))
    declared.change(kube={"secret": "applied"})
    said = refused(declared, way)
    assert "Secret ml-api/applied: was made by `kubectl apply`" in said
    way.run("annotate", "secret", "applied", "kubectl.kubernetes.io/last-applied-configuration-")
    carry_out(declared, way)
    data = (way.get("secret", "applied") or {})["data"]
    declared.change(kube={"secret": "llmrack-keys"})
    assert {"THEIRS", "LITELLM_MASTER_KEY"} <= data.keys()


def test_two_stacks_do_not_take_each_others_keys(declared: Declared, way: Kubectl) -> None:
    kube, stack = declared.kube, declared.stack
    declared.kube = kube | {"gateway": kube["gateway"] | {"name": "second"}, "engines": {}}
    declared.stack = {
        "providers": {"cloud": stack["providers"]["cloud"]},
        "models": {"cloud-kimi": stack["models"]["cloud-kimi"]},
    }
    declared.write()
    removal = planned_removal(declared.read(), declared.way())
    declared.kube, declared.stack = kube, stack
    declared.write()
    assert (removal.objects, removal.keys) == ((), ())
    assert planned_removal(declared.read(), way).keys


def test_nothing_secret_is_in_an_annotation_or_an_event(way: Kubectl) -> None:
    everything = way.run("get", "all,configmaps,secrets,events", "--output", "json").stdout
    for one in json.loads(everything)["items"]:
        if one["kind"] != "Secret":
            assert MASTER not in json.dumps(one)
        assert MASTER not in json.dumps(one["metadata"].get("annotations", {}))


def test_a_key_that_a_person_has_set_is_told_by_name(declared: Declared, way: Kubectl) -> None:
    patch = json.dumps({"data": {"OLLAMA_API_KEY": base64.b64encode(b"mine").decode()}})
    way.run("patch", "secret", "llmrack-keys", f"--patch={patch}")
    said = refused(declared, way)
    assert "Secret ml-api/llmrack-keys: .data.OLLAMA_API_KEY was set by kubectl-patch" in said
    assert value_of(way, "OLLAMA_API_KEY") == "mine"
    # The person takes it back.
    way.run("patch", "secret", "llmrack-keys", '--patch={"data":{"OLLAMA_API_KEY":null}}')
    carry_out(declared, way)
    assert planned(declared, way).changed == ()


def test_an_edit_by_hand_is_told_by_its_field(declared: Declared, way: Kubectl) -> None:
    way.run("patch", "deployment", "litellm", '--patch={"spec":{"minReadySeconds":9}}')
    assert ".spec.minReadySeconds was set by kubectl-patch" in refused(declared, way)
    way.run("patch", "deployment", "litellm", '--patch={"spec":{"minReadySeconds":2}}')
    carry_out(declared, way)
    assert planned(declared, way).changed == ()


def test_a_change_is_shown_without_keys(declared: Declared, way: Kubectl) -> None:
    declared.keys["OLLAMA_API_KEY"] = "another-0123456789abcdef"
    declared.change(stack={"models.cloud-kimi.timeout": 55})
    shown = declared.llmrack("diff")
    assert shown.returncode == 1, shown.stderr
    assert "another-0123456789abcdef" not in shown.stdout + shown.stderr
    assert base64.b64encode(b"another-0123456789abcdef").decode() not in shown.stdout
    assert "kind: Deployment" in shown.stdout or "litellm-config-" in shown.stdout


def test_files_of_releases_stay_while_a_deployment_can_go_back_to_them(
    declared: Declared, way: Kubectl
) -> None:
    before = {one["metadata"]["name"] for one in way.objects("configmaps", "")}
    carry_out(declared, way)
    done = planned(declared, way)
    unwanted = {one["metadata"]["name"] for one in done.unwanted}
    assert unwanted and unwanted < before
    assert without_needed(done.unwanted, "litellm", way) == []
    # Nothing goes back to it any more.
    chosen = ("replicasets", "app.kubernetes.io/part-of=litellm")
    sets = way.objects(*chosen)
    sets.sort(key=lambda one: int(one["metadata"]["annotations"][REVISION]))
    way.delete(sets[:-1])
    assert wait_until(lambda: len(way.objects(*chosen)) == 1, 60)
    gone = without_needed(planned(declared, way).unwanted, "litellm", way)
    assert {one["metadata"]["name"] for one in gone} == unwanted


def test_what_was_applied_before_can_be_applied_again(declared: Declared, way: Kubectl) -> None:
    before = way.get("deployment", "litellm")
    assert before is not None
    declared.change(kube={"gateway.cpu": "500m"})
    carry_out(declared, way)
    way.apply([ours(before, way.manager)])
    again = way.get("deployment", "litellm")
    assert again is not None and again["spec"] == before["spec"]
    declared.change(kube={"gateway.cpu": None})
    assert planned(declared, way).changed == ()


def test_a_claim_that_cannot_change_is_told_before_anything_is(
    declared: Declared, way: Kubectl
) -> None:
    declared.change(kube={"engines.gpu.storage": "200Gi"})
    assert "StatefulSet ml-api/gpu: the claims of pods that exist cannot change" in refused(
        declared, way
    )
    declared.change(kube={"engines.gpu.storage": None})


def test_a_kind_that_the_cluster_does_not_know_is_told(
    declared: Declared, way: Kubectl, cluster: Cluster
) -> None:
    declared.change(kube={"monitoring": True})
    uninstall(cluster)
    said = refused(declared, way)
    assert "ServiceMonitor ml-api/litellm: the cluster does not know this kind" in said
    install(cluster)
    carry_out(declared, way)
    assert planned(declared, way).changed == ()


def test_what_is_no_longer_declared_is_seen(declared: Declared, way: Kubectl) -> None:
    declared.change(kube={"monitoring": None})
    unwanted = {identity(one) for one in planned(declared, way).unwanted}
    assert {"ServiceMonitor ml-api/litellm", "Secret ml-api/litellm-metrics"} <= unwanted
    declared.change(kube={"monitoring": True})


def test_a_number_of_replicas_is_left_to_what_scales(declared: Declared, way: Kubectl) -> None:
    assert replicas(way) == 2
    declared.change(kube={"engines.gpu.replicas": None, "engines.gpu.most": 4})
    carry_out(declared, way)
    # Not one, which is what is meant where nothing is said.
    assert replicas(way) == 2
    way.run("scale", "statefulset", "gpu", "--replicas=3")
    assert planned(declared, way).changed == ()
    assert replicas(way) == 3


def test_an_object_of_somebody_else_is_not_taken_over(declared: Declared, way: Kubectl) -> None:
    spec = {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "edge"}, "spec": spec}
    way.run("create", "--filename=-", given=json.dumps(theirs))
    declared.change(kube={"gateway.name": "edge"})
    said = refused(declared, way)
    assert "Service ml-api/edge: is there already and is not llmrack's" in said
    declared.change(kube={"gateway.name": "litellm"})


def test_another_stack_of_llmrack_is_not_taken_over(declared: Declared, way: Kubectl) -> None:
    declared.change(kube={"gateway.name": "second"})
    assert "StatefulSet ml-api/gpu: is there already and belongs to llmrack's gateway litellm" in (
        refused(declared, way)
    )
    declared.change(kube={"gateway.name": "litellm"})


def test_a_misspelt_field_of_ours_would_be_refused(way: Kubectl) -> None:
    wrong = way.get("service", "litellm") or {}
    with pytest.raises(KubectlError, match='unknown field "selectorz"'):
        way.apply([ours(wrong, way.manager) | {"spec": {"selectorz": {}}}], dry=True)


def test_a_removal_leaves_what_was_there(declared: Declared, way: Kubectl) -> None:
    removal = planned_removal(declared.read(), way)
    lines = told(removal, declared.read(), with_models=False)
    assert "goes: Deployment ml-api/litellm" in lines
    assert "stays: Secret ml-api/llmrack-keys, with everybody else's keys" in lines
    remove(removal, way, with_models=False)
    assert value_of(way, "THEIRS") == "one"
    assert value_of(way, "LITELLM_MASTER_KEY") is None
    assert way.get("service", "edge") is not None
    again = planned_removal(declared.read(), way)
    assert (again.objects, again.keys) == ((), ())
