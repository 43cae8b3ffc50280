"""Exact names of models are checked against the providers' lists before anything is changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.site import STACK, Run, Site

GATEWAY, ENGINE = "box1", "box2"
HOSTS = {GATEWAY: ("gateway",), ENGINE: ("gpu",)}
LAN = {"ollama_bind": "0.0.0.0", "gateway_bind": "0.0.0.0"}
PROVIDERS = STACK["providers"] | {
    "vllm": {"kind": "vllm", "url": "http://vllm.lab:8000/v1", "api_key": "VLLM_API_KEY"},
    "openai": {
        "kind": "openai-compatible",
        "url": "https://openai.lab/v1",
        "api_key": "OPENAI_API_KEY",
    },
}
WRONG = {
    "gpt-os:20b": {"provider": "cloud"},
    "coder": {"provider": "vllm", "model": "Qwen/Qwen2.5-Codr-7B-Instruct"},
    "gpt": {"provider": "openai", "model": "gpt4o"},
}
RIGHT = {
    "coder": {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
    "gpt": {"provider": "openai", "model": "gpt-4o"},
    "openai/*": {"provider": "openai"},
}


# Names that lead to models; each is proven by its own request.
NAMES = {"tiers": {"eco": ["llama3.2:1b", "gpt"]}, "aliases": {"mini": "coder"}}


def declare(
    site: Site,
    models: dict[str, Any],
    providers: dict[str, Any] | None = None,
    names: dict[str, Any] | None = None,
) -> None:
    models = STACK["models"] | models
    used = {model["provider"] for model in models.values()}
    known = {name: each for name, each in PROVIDERS.items() if name in used}
    stack = STACK | {"providers": known | (providers or {}), "models": models} | (names or {})
    site.declare(HOSTS, stack, **LAN)


@pytest.fixture(scope="module")
def bare(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """Two bare hosts."""
    for name in HOSTS:
        fresh(name)
    return module_site


def refused(site: Site, *options: str) -> Run:
    """A run that is refused, and leaves both hosts as they were."""
    before = {name: site.listing(name) for name in HOSTS}
    run = site.deploy(*options)
    assert run.code != 0, run.output
    assert {name: site.listing(name) for name in HOSTS} == before
    return run


@pytest.mark.parametrize("options", [(), ("--dry",)], ids=["deploy", "review"])
def test_names_that_providers_lack_stop_the_run_before_any_host_is_changed(
    bare: Site, options: tuple[str, ...]
) -> None:
    declare(bare, WRONG)
    output = " ".join(refused(bare, *options).output.split())
    assert "no host was touched" in output
    for words in (
        "models.gpt-os:20b: provider 'cloud' does not list a model 'gpt-os:20b' "
        "(https://ollama.com/api/tags, asked from box1); did you mean 'gpt-oss:2",
        "models.coder: provider 'vllm' does not list a model 'Qwen/Qwen2.5-Codr-7B-Instruct' "
        "(http://vllm.lab:8000/v1/models, asked from box1); "
        "did you mean 'Qwen/Qwen2.5-Coder-7B-Instruct'?",
        "models.gpt: provider 'openai' does not list a model 'gpt4o' "
        "(https://openai.lab/v1/models, asked from box1); did you mean 'gpt-4o'?",
    ):
        assert words in output, output
    assert "Traceback" not in output


def test_a_key_that_waits_to_be_replaced_is_refused_before_anybody_is_asked(bare: Site) -> None:
    declare(bare, {})
    bare.forget_requests("cloud")
    empty = bare.folder / "env"
    empty.write_text("OLLAMA_API_KEY=your-key-here\n")
    empty.chmod(0o600)
    run = bare.deploy("--data", f"env_file={empty}")
    assert run.code != 0
    assert "the secret OLLAMA_API_KEY counts as a placeholder" in run.output
    assert bare.requests("cloud") == []


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("refuse", "the gateway cannot connect to cloud (https://ollama.com/api/tags)"),
        ("401", "(https://ollama.com/api/tags) refuses the key (401); give a valid one"),
        ("500", "cloud (https://ollama.com/api/tags) failed (500: "),
    ],
)
def test_a_provider_that_gives_no_list_is_warned_of(bare: Site, mode: str, reason: str) -> None:
    declare(bare, {})
    bare.fault("cloud", mode)
    run = bare.deploy("--dry")
    assert run.code == 0, run.output
    output = " ".join(run.output.split())
    assert "provider 'cloud' gives no list of its models, so names are not checked" in output
    assert reason in output


def test_a_provider_that_hangs_does_not_hold_up_the_run(bare: Site) -> None:
    declare(bare, {})
    bare.fault("cloud", "hang")
    began = time.monotonic()
    run = bare.deploy("--dry")
    assert run.code == 0, run.output
    assert "did not answer within 15 s" in run.output
    assert time.monotonic() - began < 60


def test_a_provider_that_is_not_enabled_is_not_asked(bare: Site) -> None:
    declare(
        bare,
        WRONG,
        {name: PROVIDERS[name] | {"enabled": False} for name in ("cloud", "vllm", "openai")},
    )
    run = bare.deploy("--dry")
    assert run.code == 0, run.output


def test_right_names_are_deployed_and_asked_for_with_the_key_in_the_header(bare: Site) -> None:
    declare(bare, RIGHT, names=NAMES)
    run = bare.deployed()
    assert "gives no list" not in run.output
    asked = next(each for each in bare.requests("openai") if each["path"] == "/v1/models")
    assert asked["status"] == 200
    assert bare.secrets["OPENAI_API_KEY"] not in run.output


def test_a_name_that_leads_to_models_is_proven_by_one_of_them(bare: Site) -> None:
    run = bare.run("llmrack", "verify", "--json", "-i", bare.inventory)
    assert run.code == 0, run.output
    report, _ = json.JSONDecoder().raw_decode(run.output[run.output.index("{\n") :])
    results = {
        (each["subject"], each["check"]): each["instance"]
        for each in report["results"]
        if each["ok"]
    }
    assert results["eco", "name"] == f"{ENGINE}/llama3.2:1b"
    assert results["mini", "name"] == "vllm/coder"
    assert results["openai/*", "unknown model"] == "openai"


def test_a_second_run_changes_nothing_and_asks_nobody(bare: Site) -> None:
    bare.forget_requests("openai")
    bare.settled()
    assert bare.requests("openai") == []


def test_a_model_that_a_deployed_stack_gains_is_checked_too(bare: Site) -> None:
    declare(bare, RIGHT | {"glm-4.7": {"provider": "cloud"}}, names=NAMES)
    output = " ".join(refused(bare).output.split())
    assert "does not list a model 'glm-4.7'" in output
