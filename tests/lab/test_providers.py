"""Providers are tested from the gateway's host: every class of error, with its way out."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.site import STACK, Run, Site

GATEWAY, ENGINE = "box1", "box2"
HOSTS = {GATEWAY: ("gateway",), ENGINE: ("gpu",)}
LAN = {"ollama_bind": "0.0.0.0", "gateway_bind": "0.0.0.0"}
OFFICE = {
    "kind": "ollama-remote",
    "url": "https://office.lab:8443",
    "api_key": "OFFICE_API_KEY",
    "headers": {"X-Client-ID": "rack1"},
    "secret_headers": {"X-API-Key": "OFFICE_CLIENT_KEY"},
    "tls_ca": "office-ca.pem",
    "paths": {
        "chat": "/ollama/v2/chat",
        "models": "/ollama/v2/models",
        "health": "/ollama/v2/health",
    },
}
PROVIDERS = STACK["providers"] | {
    "vllm": {"kind": "vllm", "url": "http://vllm.lab:8000/v1", "api_key": "VLLM_API_KEY"},
    "openai": {
        "kind": "openai-compatible",
        "url": "https://openai.lab/v1",
        "api_key": "OPENAI_API_KEY",
    },
    "office": OFFICE,
}
MODELS = STACK["models"] | {
    "coder": {"provider": "vllm", "model": "Qwen/Qwen2.5-Coder-7B-Instruct"},
    "gpt-4o": {"provider": "openai"},
    "llava": {"provider": "office"},
}


def declare(
    site: Site, providers: dict[str, Any] | None = None, models: dict[str, Any] | None = None
) -> None:
    changed = {name: {**PROVIDERS[name], **each} for name, each in (providers or {}).items()}
    stack = STACK | {"providers": PROVIDERS | changed, "models": MODELS | (models or {})}
    shutil.copy(site.lab.folder / "office-ca.pem", site.folder)
    site.declare(HOSTS, stack, **LAN, secrets_file=str(site.folder / "secrets.age"))


@pytest.fixture(scope="module")
def deployed(module_site: Site, fresh: Callable[[str], None]) -> Site:
    """An engine. Of a gateway its host is enough: that one asks, whatever runs there."""
    for name in HOSTS:
        fresh(name)
    declare(module_site)
    module_site.only = ENGINE
    module_site.deployed()
    return module_site


def ask(site: Site, *words: str, **environment: str) -> Run:
    return site.run("llmrack", *words, "-i", site.inventory, **environment)


def results(run: Run) -> dict[str, dict[str, Any]]:
    """What was found, by provider."""
    found = json.loads(run.output)
    return {each["provider"]: each for each in found["providers"]}


def test_all_is_well_with_latency_and_models(deployed: Site) -> None:
    declare(deployed)
    run = ask(deployed, "secrets", "test", "--json")
    assert run.code == 0, run.output
    found = results(run)
    assert {each["result"] for each in found.values()} == {"ok"}
    assert found.keys() == PROVIDERS.keys()
    assert all(0 <= each["ms"] < 15_000 and each["gateway"] == GATEWAY for each in found.values())
    assert {name: each["models"] for name, each in found.items()} == {
        "local": 1,
        "cloud": 13,
        "vllm": 1,
        "openai": 7,
        "office": 6,
    }


def test_a_test_is_noted_in_the_audit_without_a_value(deployed: Site) -> None:
    declare(deployed)
    deployed.fault("vllm", "500")
    ask(deployed, "secrets", "test", "cloud", "vllm")
    audit = (deployed.folder / "secrets.audit.jsonl").read_text()
    last = json.loads(audit.splitlines()[-1])
    assert (last["action"], last["names"]) == ("test", ["cloud", "vllm"])
    assert last["result"] == "failed: vllm server"
    assert not [name for name, value in deployed.secrets.items() if value in audit]


def test_it_fits_80_columns(deployed: Site) -> None:
    declare(deployed)
    deployed.fault("cloud", "429")
    run = ask(deployed, "secrets", "test")
    assert max(map(len, run.output.splitlines())) <= 80
    assert re.search(r"^ local box2 +box1 +ok +\d+ +1$", run.output, re.M), run.output


@pytest.mark.parametrize(
    ("mode", "kind", "words"),
    [
        ("401", "key", "refuses the key (401); give a valid one: llmrack secrets rotate {secret}"),
        ("403", "key", "refuses the key (403); give a valid one: llmrack secrets rotate {secret}"),
        ("429", "rate limit", "is overloaded or its quota is used up (429"),
        ("500", "server", "failed (500: "),
        ("refuse", "connection", "the gateway cannot connect to"),
        ("hang", "timeout", "did not answer within 15 s; see whether it is well"),
        ("cut", "connection", "the gateway cannot connect to"),
    ],
)
@pytest.mark.parametrize(
    ("provider", "secret"), [("cloud", "OLLAMA_API_KEY"), ("vllm", "VLLM_API_KEY")]
)
def test_an_error_has_its_class_and_a_way_out(
    deployed: Site, provider: str, secret: str, mode: str, kind: str, words: str
) -> None:
    declare(deployed)
    deployed.fault(provider, mode)
    run = ask(deployed, "secrets", "test", provider, "--json")
    assert run.code == 1, run.output
    trouble = results(run)[provider]["trouble"]
    assert trouble["kind"] == kind
    assert words.format(secret=secret) in f"{trouble['cause']}; {trouble['way_out']}"


@pytest.mark.parametrize(
    ("provider", "changes", "kind", "words"),
    [
        ("vllm", {"url": "http://vllm.lab:8000/x/v1"}, "not found", "correct providers.vllm.url"),
        ("vllm", {"url": "http://nobody.lab:8000/v1"}, "name", "correct the name or its DNS"),
        ("vllm", {"url": "https://vllm.lab:8000/v1"}, "TLS", "write http:// if that is meant"),
        ("office", {"tls_ca": None}, "TLS", "name its authority in providers.office.tls_ca"),
    ],
)
def test_a_wrong_address_has_its_class_and_a_way_out(
    deployed: Site, provider: str, changes: dict[str, Any], kind: str, words: str
) -> None:
    declare(deployed, {provider: changes})
    run = ask(deployed, "secrets", "test", provider, "--json")
    assert run.code == 1, run.output
    trouble = results(run)[provider]["trouble"]
    assert trouble["kind"] == kind
    assert words in trouble["way_out"]


@pytest.mark.parametrize(
    ("provider", "secret"),
    [
        ("cloud", "OLLAMA_API_KEY"),
        ("vllm", "VLLM_API_KEY"),
        ("openai", "OPENAI_API_KEY"),
        ("office", "OFFICE_CLIENT_KEY"),
    ],
)
def test_a_wrong_key_is_never_ok(deployed: Site, provider: str, secret: str) -> None:
    """Also where the list of models is open to all, as Ollama Cloud's is."""
    declare(deployed)
    wrong = "a-key-that-nobody-has-issued"
    run = ask(deployed, "secrets", "test", provider, "--json", **{secret: wrong})
    assert run.code == 1, run.output
    assert results(run)[provider]["result"] == "key"
    assert wrong not in run.output


def test_a_near_miss_is_suggested(deployed: Site) -> None:
    declare(deployed, models={"gpt-os:20b": {"provider": "cloud"}})
    run = ask(deployed, "secrets", "test", "cloud")
    assert run.code == 1
    output = " ".join(run.output.split())
    assert "model missing" in output and "did you mean 'gpt-oss:2" in output


def test_an_unknown_provider_is_told_the_nearest_one(deployed: Site) -> None:
    declare(deployed)
    run = ask(deployed, "secrets", "test", "clod")
    assert (run.code, run.output) == (
        2,
        "Error: there is no provider 'clod'; did you mean 'cloud'?\n",
    )


def found_models(run: Run) -> dict[str, tuple[Any, Any, Any]]:
    """Context length, capabilities and public name of what was discovered, by name."""
    assert run.code == 0, run.output
    return {
        each["name"]: (each["context_length"], each["capabilities"], each["declared"])
        for each in json.loads(run.output)["models"]
    }


@pytest.mark.parametrize(
    ("provider", "name", "told"),
    [
        ("cloud", "gpt-oss:20b", (131072, ["chat", "tools", "thinking"], "gpt-oss:20b-cloud")),
        ("cloud", "gemma3:27b", (131072, ["chat", "vision", "tools"], None)),
        ("vllm", "Qwen/Qwen2.5-Coder-7B-Instruct", (32768, None, "coder")),
        ("openai", "gpt-4o-mini", (None, None, None)),
        ("office", "llava:latest", (None, None, "llava")),
    ],
)
def test_what_a_provider_has_is_listed_as_far_as_it_says(
    deployed: Site, provider: str, name: str, told: tuple[Any, Any, Any]
) -> None:
    declare(deployed)
    run = ask(deployed, "models", "discover", provider, "--json")
    assert found_models(run)[name] == told


def test_what_our_own_hosts_have_is_listed(deployed: Site) -> None:
    declare(deployed)
    (told,) = found_models(ask(deployed, "models", "discover", "local", "--json")).values()
    assert told[0] and "chat" in told[1] and told[2] == "llama3.2:1b"


def test_all_models_of_a_new_provider_are_declared_and_a_second_run_adds_none(
    deployed: Site,
) -> None:
    declare(deployed)
    file = deployed.folder / "stack.yaml"
    attic = "  attic: {kind: ollama-remote, url: 'http://attic.lab:11434', api_key: ATTIC_API_KEY}"
    before = f"# ours\n{file.read_text()}".replace("providers:", f"providers:\n{attic}  # upstairs")
    file.write_text(before)
    assert ask(deployed, "check").code == 1

    run = ask(deployed, "models", "discover", "attic", "--all")
    assert run.code == 0, run.output
    assert "llama3.2:1b is declared already, with another provider" in run.output
    after = file.read_text()
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    assert "  nomic-embed-text:latest:" in added
    # Each old line is still there, in its order, with its comment.
    assert [line for line in after.splitlines() if line not in added] == before.splitlines()
    assert ask(deployed, "check").code == 0

    run = ask(deployed, "models", "discover", "attic", "--all")
    assert "nothing to add" in run.output
    assert file.read_text() == after
    assert ask(deployed, "secrets", "test", "attic").code == 0


def test_a_provider_that_does_not_answer_is_explained(deployed: Site) -> None:
    declare(deployed)
    deployed.fault("cloud", "refuse")
    run = ask(deployed, "models", "discover", "cloud")
    assert run.code == 2
    assert "box1: the gateway cannot connect to cloud" in run.output
