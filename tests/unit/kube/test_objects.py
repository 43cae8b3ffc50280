"""The objects of a cluster: what Kubernetes takes, and what llmrack promises of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from llmrack.kube.form import MANAGED_BY, Object
from llmrack.kube.manifest import as_yaml
from llmrack.kube.objects.all import namespace, objects
from llmrack.kube.objects.gateway import LARGEST
from llmrack.secrets.value import Secret
from tests.unit.kube.conftest import CLOUD, EVERYTHING, EVERYTHING_STACK, MASTER, Declare

# The oldest and the newest release that Kubernetes keeps, and one between.
VERSIONS = ("1.35", "1.36", "1.37")
GOLDEN = Path(__file__).parent / "golden"
Objects = Callable[..., dict[str, Object]]


@pytest.fixture
def everything(objects_of: Objects) -> dict[str, Object]:
    return objects_of(EVERYTHING, EVERYTHING_STACK)


def templates(found: dict[str, Object]) -> Iterator[Object]:
    for one in found.values():
        if one["kind"] in ("Deployment", "StatefulSet"):
            yield one["spec"]["template"]


def containers(found: dict[str, Object]) -> Iterator[Object]:
    for template in templates(found):
        yield from (*template["spec"].get("initContainers", ()), *template["spec"]["containers"])


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(everything: dict[str, Object], version: str) -> None:
    of_others = ("ServiceMonitor", "PrometheusRule", "HTTPRoute")
    known = [one for one in everything.values() if one["kind"] not in of_others]
    for one in known:
        kubernetes_validate.validate(one, version, strict=True)
    assert len(known) > 15


def test_pods_are_what_pod_security_standards_call_restricted(
    everything: dict[str, Object],
) -> None:
    for template in templates(everything):
        pod = template["spec"]["securityContext"]
        assert pod["runAsNonRoot"] and pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not template["spec"]["automountServiceAccountToken"]
    for container in containers(everything):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["readOnlyRootFilesystem"]
        assert container["resources"]["limits"]["memory"]


def test_no_key_is_anywhere_but_in_secrets(declare: Declare) -> None:
    cluster = declare(EVERYTHING, EVERYTHING_STACK)
    text = as_yaml(one for one in objects(cluster) if one["kind"] != "Secret")
    for value in (MASTER, CLOUD):
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text


def test_a_secret_has_data_and_no_labels_of_ours(everything: dict[str, Object]) -> None:
    secret = everything["Secret llmrack-keys"]
    assert "stringData" not in secret and "labels" not in secret["metadata"]
    assert base64.b64decode(secret["data"]["OLLAMA_API_KEY"]).decode() == CLOUD


def test_a_given_secret_is_not_written(objects_of: Objects) -> None:
    found = objects_of({"secret_is_given": True, "secret": "theirs"})
    assert not [name for name in found if name.startswith("Secret")]
    environment = next(containers({"d": found["Deployment litellm"]}))["env"]
    references = [one["valueFrom"]["secretKeyRef"] for one in environment if "valueFrom" in one]
    assert {reference["name"] for reference in references} == {"theirs"}
    assert all(reference["optional"] for reference in references)


def test_files_of_a_release_are_immutable_and_named_by_what_they_are(declare: Declare) -> None:
    def names(stack: dict[str, Any] | None = None) -> dict[str, str]:
        maps = [one for one in objects(declare(stack=stack)) if one.get("immutable")]
        return {one["metadata"]["name"].rpartition("-")[0]: one["metadata"]["name"] for one in maps}

    before, after = names(), names({"models.cloud-kimi.timeout": 50})
    assert before.keys() == {"gpu-models", "litellm-config", "litellm-programs"}
    assert {name for name in before if before[name] != after[name]} == {"litellm-config"}


def test_a_pod_has_the_files_of_a_release_where_a_host_has_them(declare: Declare) -> None:
    cluster = declare()
    sources = next(one for one in objects(cluster) if one["kind"] == "Deployment")["spec"][
        "template"
    ]["spec"]["volumes"][0]["projected"]["sources"]
    paths = {item["path"] for source in sources for item in source["configMap"]["items"]}
    assert paths == {*cluster.configuration, *cluster.programs}


def test_a_map_is_small_enough(declare: Declare) -> None:
    for one in objects(declare(EVERYTHING, EVERYTHING_STACK)):
        if one["kind"] == "ConfigMap":
            assert sum(map(len, one["data"].values())) < LARGEST


def test_a_changed_key_makes_another_pod_template(declare: Declare, folder: Path) -> None:
    def template() -> str:
        cluster = declare()
        return json.dumps(next(one for one in objects(cluster) if one["kind"] == "Deployment"))

    before = template()
    assert template() == before
    (folder / ".env").write_text(f"LITELLM_MASTER_KEY={MASTER}\nOLLAMA_API_KEY={CLOUD}2\n")
    assert template() != before


def test_a_changed_key_of_a_given_secret_makes_another_pod_template(declare: Declare) -> None:
    def template(value: str) -> str:
        given = {"LITELLM_MASTER_KEY": Secret(MASTER), "OLLAMA_API_KEY": Secret(value)}
        cluster = declare({"secret_is_given": True}, given=given)
        return json.dumps(next(one for one in objects(cluster) if one["kind"] == "Deployment"))

    assert template("one-key-0123456789") != template("two-key-0123456789")


def test_pods_are_chosen_by_labels_that_their_templates_have(everything: dict[str, Object]) -> None:
    for one in everything.values():
        if one["kind"] in ("Deployment", "StatefulSet"):
            chosen = one["spec"]["selector"]["matchLabels"]
            assert chosen.items() <= one["spec"]["template"]["metadata"]["labels"].items()
            assert MANAGED_BY not in chosen


def test_what_something_else_scales_has_no_number_of_replicas(
    everything: dict[str, Object],
) -> None:
    assert "replicas" not in everything["StatefulSet cpu"]["spec"]
    assert everything["StatefulSet gpu"]["spec"]["replicas"] == 2


def test_an_engine_is_reached_by_gateways_alone(objects_of: Objects) -> None:
    policy = objects_of()["NetworkPolicy gpu"]["spec"]
    (rule,) = policy["ingress"]
    (source,) = rule["from"]
    assert source["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "gateway"
    assert "namespaceSelector" not in source


def test_prometheus_gets_a_key_for_scraping_alone(everything: dict[str, Object]) -> None:
    reference = everything["ServiceMonitor litellm"]["spec"]["endpoints"][0]["authorization"]
    assert reference == {"credentials": {"name": "litellm-metrics", "key": "key"}}
    data = everything["Secret litellm-metrics"]["data"]
    assert data.keys() == {"key"} and base64.b64decode(data["key"]).decode() != MASTER


@pytest.mark.parametrize(
    "name", ["Service gpu", "StatefulSet gpu", "Deployment litellm", "NetworkPolicy litellm"]
)
def test_an_object_is_as_it_was_looked_at(objects_of: Objects, name: str) -> None:
    """After a wanted change: remove the file, run the test twice, and look at the difference."""
    one = objects_of()[name]
    for volume in one["spec"].get("template", {}).get("spec", {}).get("volumes", ()):
        for source in volume.get("projected", {}).get("sources", ()):
            del source["configMap"]["items"]
    text = as_yaml([one])
    for digest in ("llmrack/keys", "name: gpu-models-", "name: litellm-"):
        text = "\n".join(
            line.split(digest)[0] + digest + "…" if digest in line else line
            for line in text.split("\n")
        )
    file = GOLDEN / f"{name.replace(' ', '-').lower()}.yaml"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        pytest.fail(f"{file} is new: look at it")
    assert text == file.read_text()


def test_the_namespace_holds_pods_to_the_standard(declare: Declare) -> None:
    labels = namespace(declare())["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
