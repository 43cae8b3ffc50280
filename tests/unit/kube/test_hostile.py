"""Whatever stands in ``kube.yaml`` is refused, or stays a value in what follows from it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrack.kube.cluster import fleet_of
from llmrack.kube.load import load_kube
from llmrack.kube.manifest import as_yaml
from llmrack.kube.settings import FILE
from llmrack.problems import DeclarationError
from tests.unit.hostile import values
from tests.unit.kube.conftest import EVERYTHING, KUBE, merged

PATHS = (
    "context",
    "namespace",
    "secret",
    "secret_is_given",
    "pull_secrets",
    "gateway",
    "gateway.name",
    "gateway.image",
    "gateway.replicas",
    "gateway.memory",
    "gateway.ingress.host",
    "gateway.ingress.annotations",
    "gateway.route.gateway",
    "engines",
    "engines.gpu.image",
    "engines.gpu.storage",
    "engines.gpu.storage_class",
    "engines.gpu.gpus.kind",
    "gpus.l4.node_labels",
    "gpus.l4.tolerations",
    "settings",
    "inventory",
)


@given(path=st.sampled_from(PATHS), value=values())
@settings(deadline=None, max_examples=150)
def test_a_hostile_value_is_refused_with_a_sentence_or_taken(path: str, value: Any) -> None:
    declared = merged(merged(KUBE, EVERYTHING), {path: value})
    with TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        file.write_text(yaml.safe_dump(declared), encoding="utf-8")
        try:
            kube, _ = load_kube(file, FILE)
            if not kube.inventory:
                fleet_of(kube, Path(folder))
        except DeclarationError as error:
            assert str(error).startswith(FILE)


@given(text=st.text(max_size=30))
@settings(deadline=None)
def test_a_text_arrives_as_it_is(text: str) -> None:
    """A cluster's objects are values, not templates: nothing in them is read again."""
    one = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": text}}
    assert yaml.safe_load(as_yaml([one])) == one
