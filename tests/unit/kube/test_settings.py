"""Mistakes in ``kube.yaml`` are named with their place, cause and way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrack.kube.load import load_kube
from llmrack.problems import DeclarationError

IMAGE = "r.example.org/gateway@sha256:" + "0" * 64


def mistakes(tmp_path: Path, text: str) -> str:
    (tmp_path / "kube.yaml").write_text(text)
    with pytest.raises(DeclarationError) as caught:
        load_kube(tmp_path / "kube.yaml", "kube.yaml")
    return str(caught.value)


def test_what_is_not_declared_has_its_default(tmp_path: Path) -> None:
    (tmp_path / "kube.yaml").write_text(f"gateway: {{image: '{IMAGE}'}}\n")
    kube, _ = load_kube(tmp_path / "kube.yaml", "kube.yaml")
    assert (kube.namespace, kube.gateway.name, kube.gateway.replicas) == (
        "llmrack",
        "llmrack-gateway",
        2,
    )
    assert kube.engines == {}


def test_an_unknown_key_is_named_with_those_that_are_known_there(tmp_path: Path) -> None:
    text = f"gateway:\n  image: {IMAGE}\nengines:\n  gpu:\n    image: {IMAGE}\n    replicaz: 2\n"
    assert mistakes(tmp_path, text) == (
        "kube.yaml:6: engines.gpu.replicaz: is not known; valid: cpu, gpus, image, memory, most, "
        "replicas, storage, storage_class"
    )


def test_an_image_without_a_digest_is_refused(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "gateway: {image: 'ollama/ollama:latest'}\n")
    assert said.startswith("kube.yaml:1: gateway.image: is not pinned, and what a tag means can ")


def test_a_kind_of_gpus_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    text = (
        f"gateway: {{image: '{IMAGE}'}}\ngpus: {{l4: {{}}}}\n"
        f"engines:\n  gpu:\n    image: {IMAGE}\n    gpus: {{kind: l5}}\n"
    )
    assert mistakes(tmp_path, text) == (
        "kube.yaml:6: engines.gpu.gpus.kind: there is no kind of GPUs 'l5'; valid: l4"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]\n", "kube.yaml: is not a mapping; write keys with their values"),
        ("gateway: {}\ngateway: {}\n", "kube.yaml:2: gateway: stands here twice; keep one of them"),
    ],
)
def test_what_is_no_such_file_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert mistakes(tmp_path, text) == said


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        load_kube(tmp_path / "kube.yaml", "kube.yaml")
    assert str(caught.value) == (
        "kube.yaml: there is no such file; write it, as docs/kubernetes.md shows"
    )


@pytest.mark.parametrize("name", ["ML", "a.b", "-a", "a" * 64, "", "a b", "ü"])
def test_a_name_that_kubernetes_refuses_is_refused_here(tmp_path: Path, name: str) -> None:
    text = f"namespace: '{name}'\ngateway: {{image: '{IMAGE}'}}\n"
    assert mistakes(tmp_path, text).startswith("kube.yaml:1: namespace: ")


@pytest.mark.parametrize("name", ["gateway", "monitor", "llmrack-gateway"])
def test_an_engine_cannot_have_the_name_of_something_else(tmp_path: Path, name: str) -> None:
    text = f"gateway: {{image: '{IMAGE}'}}\nengines:\n  {name}: {{image: '{IMAGE}'}}\n"
    assert mistakes(tmp_path, text) == (
        f"kube.yaml:3: engines.{name}: means something else here; call it otherwise"
    )


def test_a_number_of_pods_is_set_by_one_of_two(tmp_path: Path) -> None:
    text = (
        f"gateway: {{image: '{IMAGE}'}}\n"
        f"engines:\n  gpu:\n    image: {IMAGE}\n    replicas: 2\n    most: 4\n"
    )
    assert mistakes(tmp_path, text) == (
        "kube.yaml:6: engines.gpu.most: stands beside replicas, and either llmrack sets the number "
        "or somebody else; take one of them out"
    )
