"""What the gate finds wrong between config.yaml, routing.json and what lies beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from bench.release import write
from llmrack.components.gateway.gateway import configuration, programs
from llmrack.components.gateway.routing import authorities, routing
from llmrack.shipped.gateway.routing.check import callbacks
from tests.unit.declare import STACK, stack, two_boxes

OFFICE = {
    "kind": "vllm",
    "url": "https://office:8000/v1",
    "api_key": "OFFICE_KEY",
    "secret_headers": {"X-API-Key": "OFFICE_HEADER"},
    "tls_ca": trustme.CA().cert_pem.bytes().decode(),
}
Problems = list[tuple[str, str]]


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a release has, and the environment of its gateway."""
    declared = stack(
        providers={**STACK["providers"], "office": OFFICE},
        models={**STACK["models"], "office/*": {"provider": ["office", "vllm"]}},
        tiers={"eco": ["llama3.1:latest", "gpt-oss:20b-cloud"]},
        aliases={"mini": "coder"},
    )
    fleet = two_boxes()
    host = fleet.hosts[0]
    files = {
        "config.yaml": configuration(declared, fleet, host),
        "routing.json": routing(declared, fleet, host),
        **programs(),
        **authorities(declared),
    }
    write(tmp_path, files)
    for name in ("OLLAMA_API_KEY", "OFFICE_KEY", "OFFICE_HEADER"):
        monkeypatch.setenv(name, "x")
    return tmp_path


def problems(release: Path) -> Problems:
    config = yaml.safe_load((release / "config.yaml").read_text())
    return list(callbacks(config, release))


def edit(release: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = release / "routing.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def test_what_is_rendered_from_a_stack_passes(release: Path) -> None:
    assert problems(release) == []


def test_integrations_of_litellms_own_pass(release: Path) -> None:
    config = {"litellm_settings": {"callbacks": ["prometheus"]}}
    assert list(callbacks(config, release)) == []


@pytest.mark.parametrize(
    ("change", "place", "reason"),
    [
        (lambda d: d["deployments"].pop("cloud/gpt-oss:20b-cloud"), "deployments", "routing.json"),
        (lambda d: d["deployments"].update(x=d["deployments"]["vllm/coder"]), "dep", "model_list"),
        (lambda d: d["groups"].pop("eco"), "groups", "'eco' is missing in routing.json"),
        (lambda d: d["groups"]["coder"]["chain"].append("gone"), "groups.coder", "no 'gone'"),
        (lambda d: d["instances"].pop("vllm"), "vllm/coder", "no instance 'vllm'"),
        (
            lambda d: d["instances"]["vllm"].update(secrets=["GONE"]),
            "instances.vllm",
            "GONE, which is",
        ),
        (lambda d: d["instances"]["vllm"].update(verify="x.pem"), "vllm.verify", "No such file"),
        (lambda d: d["instances"]["vllm"].update(verify="serve.py"), "vllm.verify", "not PEM"),
        (lambda d: d["instances"]["vllm"].pop("verify"), "routing.json", "KeyError"),
        (lambda d: d.update(groups=[]), "routing.json", "AttributeError"),
    ],
)
def test_what_does_not_fit_is_named(
    release: Path, change: Callable[[dict[str, Any]], object], place: str, reason: str
) -> None:
    edit(release, change)
    listed = problems(release)
    assert any(place in where and reason in text for where, text in listed), listed


def test_a_secret_of_a_header_that_is_not_set_is_named(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OFFICE_HEADER")
    ((where, text),) = problems(release)
    assert (where, "OFFICE_HEADER" in text) == ("routing.json: instances.office", True)


@pytest.mark.parametrize(
    ("source", "reason"),
    [(None, "cannot be read"), ("callback =", "not Python (line 1)"), ("x = 1", "'routing'")],
)
def test_a_callback_that_cannot_be_loaded_is_named(
    release: Path, source: str | None, reason: str
) -> None:
    file = release / "gateway" / "hooks.py"
    file.unlink() if source is None else file.write_text(source)
    where, text = problems(release)[0]
    assert where == "litellm_settings.callbacks[0]" and reason in text


@pytest.mark.parametrize(("text", "reason"), [("{", "JSONDecodeError"), (None, "cannot be read")])
def test_routing_that_cannot_be_read_is_named(release: Path, text: str | None, reason: str) -> None:
    file = release / "routing.json"
    file.unlink() if text is None else file.write_text(text)
    ((where, listed),) = problems(release)
    assert where == "routing.json" and reason in listed
